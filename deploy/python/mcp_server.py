"""A server of the Model Context Protocol behind phantomgate: `uvicorn mcp_server:app` in this folder."""

from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings

from phantomgate.mcp import PhantomTokenVerifier

verifier = PhantomTokenVerifier("mcp.toml")
server = MCPServer(
    "orders",
    token_verifier=verifier,
    auth=AuthSettings(
        issuer_url="https://as.example",
        resource_server_url="https://api.example/mcp",
        required_scopes=["read"],
        validate_token_resource=True,
    ),
)


@server.tool()
def whoami() -> str:
    """Whose token this is."""
    token = get_access_token()
    return str(token and token.subject)


app = verifier.wrap(server.streamable_http_app(stateless_http=True, json_response=True))
