// Written by `phantomgate init nginx`; write it again when the settings change.
// The key under which nginx remembers a decision: a hash of all that the decision depends on. "" means "ask each time".

import crypto from 'crypto';

// Without [[routes]] only the token matters.
function key(r) {
    const v = r.variables;
    const authorization = v.http_authorization;
    // As the client sent it. `args` would be the query of nginx's own question, which has none.
    const uri = v.request_uri;
    const mark = uri.indexOf('?');
    const query = mark < 0 ? '' : uri.slice(mark + 1);
    // Bytes that are no text are all one letter here, and what differs in them would have one key.
    if (/[^ -~]/.test(`${authorization}${uri}${v.host}`)) {
        return '';
    }
    // A token in the query is refused beside one in the header, so that is judged each time. A name that is
    // percent-encoded may be that name.
    if (!authorization || /(^|[&;])[^=&;]*(%|access_token)/.test(query)) {
        return '';
    }
    return crypto.createHash('sha256').update(authorization).digest('hex');
}

export default { key };
