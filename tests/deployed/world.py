"""What the stories are told with: the deployed stack and its URLs, the gateways, and how they are judged."""

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlencode, urlsplit

import boto3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

STACK, TENANT, ADMIN = "passerelle", "northwind", "admin@example.com"
ENDPOINT, STRIPE, PAYPAL, ISSUER = (os.environ[name] for name in ("AWS_ENDPOINT_URL", "STRIPE", "PAYPAL", "ISSUER"))
# What the simulators have, and know their owner by.
ACCOUNT, VENDOR, SECRET_KEY = "acct_acme", "acct_officesupplies", "sk_test_acme_local_stack"
CLIENT_ID, CLIENT_SECRET = "client-acme-local-stack", "secret-acme-local-stack"
MODEL_KEY = "sk-ant-local-stack"
# A second signing secret, as while one is rotated: the stories' own.
OWN_SECRET = "whsec_of_the_stories"

clients, absent = {}, []
# Pattern of method and path by the API's routes, and those that were called.
routes, called = {}, set()


def holds(condition, what, *found):
    if not condition:
        print(f"FAILED  {what}", *(json.dumps(it, default=str) for it in found), sep="\n        ", flush=True)
        sys.exit(1)
    print(f"ok      {what}", flush=True)


def kept(condition, what, instead):
    """For what AWS does and an emulator may leave out."""
    if condition:
        print(f"ok      {what}", flush=True)
    else:
        absent.append(f"{what}: {instead}")


def until(seconds, look):
    """What `look` finds in the end, at the first time that it is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


# --- The stack ------------------------------------------------------------------------------------------------------


def aws(service):
    if service not in clients:
        clients[service] = boto3.client(service)
    return clients[service]


stack = aws("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
pages = aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
ids = {it["LogicalResourceId"]: it["PhysicalResourceId"] for page in pages for it in page["StackResourceSummaries"]}
# As SAM's transform leaves it.
template = aws("cloudformation").get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
ACCOUNT_ID, REGION = aws("sts").get_caller_identity()["Account"], aws("sts").meta.region_name
names = {
    **{it["ParameterKey"]: it["ParameterValue"] for it in stack["Parameters"]},
    **ids,
    **{"AWS::StackName": STACK, "AWS::Region": REGION, "AWS::AccountId": ACCOUNT_ID, "AWS::Partition": "aws"},
}


def arn(name):
    kind = template["Resources"][name]["Type"]
    prefix = {
        "AWS::DynamoDB::Table": f"dynamodb:{REGION}:{ACCOUNT_ID}:table/",
        "AWS::IAM::Role": f"iam::{ACCOUNT_ID}:role/",
        "AWS::Lambda::Function": f"lambda:{REGION}:{ACCOUNT_ID}:function:",
        "AWS::Logs::LogGroup": f"logs:{REGION}:{ACCOUNT_ID}:log-group:",
        "AWS::SQS::Queue": f"sqs:{REGION}:{ACCOUNT_ID}:",
    }[kind]
    # A queue's id is its URL.
    return f"arn:aws:{prefix}{ids[name].rsplit('/', 1)[-1] if kind == 'AWS::SQS::Queue' else ids[name]}"


def attribute(name, part):
    if part == "StreamArn":
        return aws("dynamodb").describe_table(TableName=ids[name])["Table"]["LatestStreamArn"]
    return {"Arn": arn(name), "QueueName": arn(name).rsplit(":", 1)[-1]}[part]


def resolve(value):
    """A value of the template, with the CloudFormation functions in it carried out."""
    if isinstance(value, list):
        return [resolve(it) for it in value]
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("Ref", name)]:
            return names.get(name)
        case [("Fn::GetAtt", [name, part])]:
            return attribute(name, part)
        case [("Fn::Sub", str(text))]:
            name = lambda it: attribute(*it[1].split(".")) if "." in it[1] else names[it[1]]
            return re.sub(r"\$\{([^}]+)\}", name, text)
        case [("Fn::Equals", [one, other])]:
            return str(resolve(one)) == str(resolve(other))
        case [("Fn::Not", [it])]:
            return not resolve(it)
        case [("Fn::If", [condition, yes, no])]:
            return resolve(yes if resolve(template["Conditions"][condition]) else no)
    return {name: resolve(it) for name, it in value.items()}


def of_type(kind):
    return {name: resolve(it["Properties"]) for name, it in template["Resources"].items() if it["Type"] == kind}


# --- Tokens: an issuer with a key, and what makes it known -----------------------------------------------------------


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_pair():
    return rsa.generate_private_key(65537, 2048)


KEY = key_pair()


class Issuer(BaseHTTPRequestHandler):
    def do_GET(self):
        public = KEY.public_key().public_numbers()
        n, e = (base64url(it.to_bytes((it.bit_length() + 7) // 8, "big")) for it in (public.n, public.e))
        answers = {
            "/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
            "/keys": {"keys": [{"kid": "one", "kty": "RSA", "alg": "RS256", "use": "sig", "n": n, "e": e}]},
        }
        self.send_response(200 if self.path in answers else 404)
        self.end_headers()
        self.wfile.write(json.dumps(answers.get(self.path)).encode())

    def log_message(self, *_):
        pass


issuer = HTTPServer(("127.0.0.1", urlsplit(ISSUER).port), Issuer)
threading.Thread(target=issuer.serve_forever, daemon=True).start()


def token(user, key=KEY, **claims):
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": "passerelle", "sub": user, "tenant_id": TENANT, "iat": now, "exp": now + 600}
    parts = {"alg": "RS256", "kid": "one"}, {**usual, **claims}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{base64url(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


# --- Requests -------------------------------------------------------------------------------------------------------


class Answer:
    def __init__(self, reply):
        self.status, self.headers, text = reply.status, reply.headers, reply.read()
        try:
            self.body = json.loads(text or b"{}")
        except ValueError:
            self.body = {"text": text.decode(errors="replace")}

    def __getitem__(self, name):
        return self.body.get(name)


def send(method, url, data=None, headers=None):
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return Answer(reply)
    except urllib.error.HTTPError as error:
        return Answer(error)


def call(user, method, path, body=None, key=None, bearer=None):
    """A request to the HTTP API, which is told from others by its host, as in AWS."""
    called.update(it for it, pattern in routes.items() if re.fullmatch(pattern, f"{method} {path.partition('?')[0]}"))
    headers = {"Host": urlsplit(outputs["ApiUrl"]).netloc, "Content-Type": "application/json"}
    if user or bearer:
        headers["Authorization"] = f"Bearer {bearer or token(user)}"
    if key:
        headers["Idempotency-Key"] = key
    return send(method, ENDPOINT + path, None if body is None else json.dumps(body).encode(), headers)


def items(path):
    found = call(ADMIN, "GET", path)
    assert found.status == 200 and not found["cursor"], found.body
    return found["items"]


def webhook(event, secret=OWN_SECRET, age=0, sent=None, tenant=TENANT):
    """Posts an event, signed by hand, to the function URL; the status."""
    body, at = json.dumps(event), int(time.time()) - age
    signature = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Host": urlsplit(outputs["WebhookUrl"]).netloc, "Content-Type": "application/json; charset=utf-8"}
    headers["Stripe-Signature"] = f"t={at},v1={signature}"
    return send("POST", f"{ENDPOINT}/webhooks/stripe/{tenant}", (sent or body).encode(), headers).status


def stripe(method, path, **form):
    """A request to Stripe by the account's owner, past Passerelle."""
    data = urlencode(form)
    url = f"{STRIPE}/v1/{path}" + (f"?{data}" if method == "GET" else "")
    answer = send(method, url, data.encode() if method == "POST" else None, {"Authorization": f"Bearer {SECRET_KEY}"})
    assert answer.status == 200, answer.body
    return answer


def paypal(path):
    """What PayPal shows the account's owner, past Passerelle."""
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    form = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    granted = send("POST", f"{PAYPAL}/v1/oauth2/token", b"grant_type=client_credentials", form)
    answer = send("GET", PAYPAL + path, headers={"Authorization": f"Bearer {granted['access_token']}"})
    assert answer.status == 200, answer.body
    return answer


def simulator(method, path, body=None):
    answer = send(method, f"{STRIPE}/{path}", json.dumps(body).encode() if body else None)
    assert answer.status == 200, answer.body
