// Format v1 of sealed cookies, written from its description alone, on node:crypto:
//
//     0x01 | IV 12 | AES-256-GCM ciphertext | tag 16        base64url without padding, no additional data
//
// node format_v1.mjs: one JSON array of {"key", "seal"} or {"key", "open"} on stdin, one array of results on stdout;
// what can't be opened is null.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

function seal(key, plaintext) {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
    return Buffer.concat([Buffer.from([1]), iv, ciphertext, cipher.getAuthTag()]).toString('base64url');
}

function open(key, text) {
    const data = Buffer.from(text, 'base64url');
    if (data.length < 30 || data[0] !== 1) {
        return null;
    }
    const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(1, 13));
    decipher.setAuthTag(data.subarray(-16));
    try {
        return Buffer.concat([decipher.update(data.subarray(13, -16)), decipher.final()]).toString('utf8');
    } catch {
        return null;
    }
}

const asked = JSON.parse(readFileSync(0, 'utf8'));
const answers = asked.map((one) => {
    const key = Buffer.from(one.key, 'hex');
    return one.seal === undefined ? open(key, one.open) : seal(key, one.seal);
});
process.stdout.write(JSON.stringify(answers));
