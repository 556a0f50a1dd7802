"""Flask behind phantomgate: `waitress-serve flask_app:app` in this folder."""

from flask import Flask, jsonify, request

from phantomgate import Refused
from phantomgate.wsgi import PhantomGate

app = Flask(__name__)
app.wsgi_app = PhantomGate(app.wsgi_app, "phantomgate.toml")


@app.errorhandler(Refused)
def refused(no):
    return jsonify(error=no.reason.error, error_description=no.reason.description), no.reason.status


@app.get("/orders")
def orders():
    caller, fields = request.environ["phantomgate.caller"], request.headers
    return {"for": caller.subject, "x-user": fields["x-user"], "authorization": fields["authorization"]}


@app.post("/orders")
def order():
    request.environ["phantomgate.caller"].require("orders:write")
    return {}


@app.get("/admin/users")
def users():
    return ["ann"]


@app.post("/upload")
def upload():
    total = 0
    while piece := request.stream.read(65536):
        total += len(piece)
    return {"bytes": total}


@app.get("/stream")
def stream():
    return (f"line {number}\n" for number in range(3)), {"Content-Type": "text/plain"}
