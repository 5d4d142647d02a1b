"""Stripe's Python SDK, the simulator and the function `webhook`: started by `official-sdks`."""

import json
import os
import queue
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import stripe

API, SECRET = os.environ["API"], os.environ["WEBHOOK_SECRET"]
stripe.api_base, stripe.api_key = os.environ["STRIPE"], os.environ["STRIPE_KEY"]
failures = 0


def check(what, found, expected):
    global failures
    failures += found != expected
    print(f"{'ok    ' if found == expected else 'FAILED'}  python  {what}: {found}", flush=True)


def post(path, body, headers):
    request = urllib.request.Request(API + path, body.encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def deliver(body, age=0, sent=None):
    """Sends `body`, or `sent` in its place, with the SDK's signature of `body`."""
    at = int(time.time()) - age
    signature = stripe.WebhookSignature._compute_signature(f"{at}.{body}", SECRET)
    headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={at},v1={signature}"}
    return post("/webhooks/stripe/acme", sent or body, headers)[0]


def is_accepted(arrived, secret):
    body, signature = arrived
    try:
        return stripe.Webhook.construct_event(body, signature, secret).type == json.loads(body)["type"]
    except stripe.SignatureVerificationError:
        return False


class Endpoint(BaseHTTPRequestHandler):
    arrived = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.arrived.put((body, self.headers["Stripe-Signature"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
own = stripe.WebhookEndpoint.create(url=url, enabled_events=["*"]).secret

# A payment of ours, and a refund that somebody else makes.
order = json.dumps({"invoice_id": os.environ["INVOICE"], "payment_method": "stripe"})
status, payment = post("/payments", order, {"Authorization": f"Bearer {os.environ['TOKEN']}"})
check("an invoice is paid", status, 201)
stripe.Refund.create(payment_intent=payment["payment_id"], amount=1000)

by_type = {}
while "charge.refunded" not in by_type:
    arrived = Endpoint.arrived.get(timeout=10)
    by_type[json.loads(arrived[0])["type"]] = arrived
for kind in ("payment_intent.succeeded", "charge.refunded"):
    check(f"{kind} from the simulator is accepted by the SDK", is_accepted(by_type[kind], own), True)
body, signature = by_type["charge.refunded"]
check("the same, another secret", is_accepted((body, signature), SECRET), False)
check("the same, body changed", is_accepted((body.replace(b"1000", b"1001"), signature), own), False)

for kind in ("payment_intent.succeeded", "charge.refunded"):
    check(f"{kind} signed by the SDK", deliver(by_type[kind][0].decode()), 200)
body = body.decode()
check("the same, body changed", deliver(body, sent=body.replace("1000", "1001")), 400)
check("the same, signed 301 s ago", deliver(body, age=301), 400)
check("the same, signed 290 s ago", deliver(body, age=290), 200)
other = {**json.loads(body), "id": "evt_python", "type": "product.created"}
check("an event of unknown type", deliver(json.dumps(other)), 200)
sys.exit(failures > 0)
