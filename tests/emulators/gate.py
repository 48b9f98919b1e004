"""The one endpoint that the functions call: sees to it that each may, and hands the call to the emulator that has the service.

ministack gives every function the endpoint that it was started with itself, which is this one. Who calls is read from the
access key that ministack has given to the function's role. What goes on to ministack is checked there (`AUTH=true`: the
signature and the role); what goes anywhere else is checked here, with ministack's own evaluation of the role's policies, as
ministack would if it had the resources.

The gate also takes the calls with which moto's Step Functions invokes functions (`MOTO_PORT`), since moto can run none
without Docker: they are invoked in ministack.

It changes nothing in a request or an answer, and knows nothing of what a deployment is.
"""

import hashlib
import http.client
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mends
import permissions

CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[\w-]+/([\w-]+)/aws4_request")
INVOKE = re.compile(r"^/2015-03-31/functions/([^/]+)/invocations")
# How ministack says that a role or a policy does not allow a call, in all protocols.
REFUSED = re.compile(rb"not authorized to perform|AccessDenied|AuthorizationError|InvalidSignature|UnrecognizedClient")
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


class Route:
    """Where the calls of one installed stack go: services by signing name to (host, port), and the roles to check."""

    def __init__(self, stack, ministack):
        self.stack = stack
        self.endpoints = {}
        self.ministack = ministack
        # The place where the resources are, to look up their tags.
        self.plane = None
        # Whether its answers are to be mended.
        self.mends = False
        # What happens right before the next call of an operation arrives, by what it is about: somebody else is faster.
        self.before = {}

    def endpoint(self, service):
        return self.endpoints.get(service, self.ministack)


class Gate:
    """The endpoint, and a record of every call that came through it."""

    def __init__(self, ministack, clients):
        self.ministack = ministack
        self.clients = clients
        self.routes = {}
        self.callers = {}
        self.policies = {}
        self.calls = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"gate": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def route(self, stack):
        """Where the calls of a stack's functions go, to be changed by whoever sets the scene."""
        return self.routes.setdefault(stack, Route(stack, self.ministack))

    def learn(self, stack):
        """Learns the access keys and the policies of a stack's functions, as ministack derives and stores them."""
        route = self.route(stack)
        for page in self.clients("lambda").get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                name = function["FunctionName"]
                if not name.startswith(f"{stack}-"):
                    continue
                digest = hashlib.sha256(f"{function['FunctionArn']}:{function['Role']}".encode()).hexdigest()
                role = function["Role"].rsplit("/", 1)[1]
                self.callers[f"ASIA{digest[:16].upper()}"] = (route, name.removeprefix(f"{stack}-"))
                iam = self.clients("iam")
                names = iam.list_role_policies(RoleName=role)["PolicyNames"]
                documents = [iam.get_role_policy(RoleName=role, PolicyName=each)["PolicyDocument"] for each in names]
                self.policies[(stack, name.removeprefix(f"{stack}-"))] = permissions.Policies(function["Role"], documents)

    def record(self, **call):
        with self.lock:
            self.calls.append(call)

    def refused(self):
        return [call for call in self.calls if call["refused"]]

    def answer(self, method, path, headers, body):
        """The answer to a request: status, headers, body."""
        (route, function), service = self._caller(headers)
        if route is None and (invoked := INVOKE.match(path)):
            return self._invoke(urllib.parse.unquote(invoked[1]), body)
        if route is None:
            return _forward(self.ministack, method, path, headers, body)
        request = permissions.Request.read(service, path, headers, body)
        to = route.endpoint(service)
        if to != route.ministack or request.operation in permissions.JUDGED_HERE:
            denied = self._denied(route, function, request)
            if denied:
                self.record(stack=route.stack, function=function, service=service, operation=request.operation,
                            status=403, refused=denied, said=request.said)
                return request.refusal(f"{function} is not authorized to perform: {denied}")
        if happens := route.before.pop(request.about, None):
            happens()
        status, answered, content = mends.stand_in(request, route.plane) if route.mends else (None, None, None)
        if status is None:
            status, answered, content = _forward(to, method, path, headers, body)
            if route.mends and status == 200:
                content = mends.mended(request, content, route.plane)
        refused = content.decode("utf-8", "replace") if status >= 400 and REFUSED.search(content) else None
        self.record(stack=route.stack, function=function, service=service, operation=request.operation,
                    status=status, refused=refused, said=request.said)
        return status, answered, content

    def _caller(self, headers):
        found = CREDENTIAL.search(headers.get("authorization", ""))
        if not found:
            return (None, None), None
        return self.callers.get(found[1], (None, None)), found[2]

    def _denied(self, route, function, request):
        policies = self.policies[(route.stack, function)]
        for check in permissions.checks(request, route.plane):
            if not policies.allow(check):
                return str(check)
        return None

    def _invoke(self, name, body):
        answered = self.clients("lambda").invoke(FunctionName=name, Payload=body or b"{}")
        request_id = answered["ResponseMetadata"]["RequestId"]
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST", "x-amzn-RequestId": request_id}
        if "FunctionError" in answered:
            headers["X-Amz-Function-Error"] = answered["FunctionError"]
        return 200, headers, answered["Payload"].read()


def _forward(to, method, path, headers, body):
    connection = http.client.HTTPConnection(*to, timeout=120)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        # As they came: they are signed.
        for name, value in headers.items():
            if name not in HOP_BY_HOP and name != "content-length":
                connection.putheader(name, value)
        # As AWS is reached: policies may ask for it (aws:SecureTransport).
        connection.putheader("x-forwarded-proto", "https")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders()
                if name.lower() not in HOP_BY_HOP | {"content-length", "date", "server"}}
        return answer.status, kept, answer.read()
    finally:
        connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate = None

    def _serve(self):
        try:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answered, content = self.gate.answer(self.command, self.path, headers, body)
        except Exception as error:  # An answer that never comes would be a time-out, whose cause nobody sees.
            status, answered = 502, {"Content-Type": "application/json"}
            content = json.dumps({"__type": "GateFailed", "message": repr(error)}).encode()
            self.gate.record(stack=None, function=None, service=None, operation=None, status=502, refused=repr(error), said=None)
        self.send_response(status)
        for name, value in answered.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

    def log_message(self, *_):
        pass
