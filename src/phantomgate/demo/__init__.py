"""The demo: a development authorization server, a sample API, and the page that shows the flow. Development only."""
