// Stripe's Node SDK, the simulator and the function `webhook`: started by `official-sdks`.
const http = require('node:http');
const stripeOf = require('stripe');
const Stripe = stripeOf.default ?? stripeOf;

const { API, STRIPE, STRIPE_KEY, WEBHOOK_SECRET, TOKEN, INVOICE } = process.env;
const { hostname, port } = new URL(STRIPE);
const stripe = new Stripe(STRIPE_KEY, { host: hostname, port, protocol: 'http', telemetry: false });
let failures = 0;

function check(what, found, expected) {
  failures += found !== expected;
  console.log(`${found === expected ? 'ok    ' : 'FAILED'}  node    ${what}: ${found}`);
}

const post = (path, body, headers) => fetch(API + path, { method: 'POST', body, headers });

/** Sends `body`, or `sent` in its place, with the SDK's signature of `body`. */
async function deliver(body, { age = 0, sent = body } = {}) {
  const timestamp = Math.floor(Date.now() / 1000) - age;
  const signature = stripe.webhooks.generateTestHeaderString({ payload: body, secret: WEBHOOK_SECRET, timestamp });
  const headers = { 'content-type': 'application/json', 'stripe-signature': signature };
  return (await post('/webhooks/stripe/acme', sent, headers)).status;
}

function isAccepted({ body, signature }, secret) {
  try {
    return stripe.webhooks.constructEvent(body, signature, secret).type === JSON.parse(body).type;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false;
    throw error;
  }
}

async function main() {
  const byType = new Map();
  const endpoint = http.createServer(async (request, response) => {
    const chunks = await request.toArray();
    const body = Buffer.concat(chunks).toString();
    byType.set(JSON.parse(body).type, { body, signature: request.headers['stripe-signature'] });
    response.end();
  });
  await new Promise((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${endpoint.address().port}/`;
  const { secret } = await stripe.webhookEndpoints.create({ url, enabled_events: ['*'] });

  // A payment of ours, and a refund that somebody else makes.
  const order = JSON.stringify({ invoice_id: INVOICE, payment_method: 'stripe' });
  const paid = await post('/payments', order, { authorization: `Bearer ${TOKEN}` });
  check('an invoice is paid', paid.status, 201);
  await stripe.refunds.create({ payment_intent: (await paid.json()).payment_id, amount: 1000 });

  const late = Date.now() + 10_000;
  while (!byType.has('charge.refunded') && Date.now() < late) await new Promise((resolve) => setTimeout(resolve, 20));
  const kinds = ['payment_intent.succeeded', 'charge.refunded'];
  for (const kind of kinds) {
    check(`${kind} from the simulator is accepted by the SDK`, isAccepted(byType.get(kind), secret), true);
  }
  const { body, signature } = byType.get('charge.refunded');
  const changed = body.replaceAll('1000', '1001');
  check('the same, another secret', isAccepted({ body, signature }, WEBHOOK_SECRET), false);
  check('the same, body changed', isAccepted({ body: changed, signature }, secret), false);

  for (const kind of kinds) check(`${kind} signed by the SDK`, await deliver(byType.get(kind).body), 200);
  check('the same, body changed', await deliver(body, { sent: changed }), 400);
  check('the same, signed 301 s ago', await deliver(body, { age: 301 }), 400);
  check('the same, signed 290 s ago', await deliver(body, { age: 290 }), 200);
  const other = { ...JSON.parse(body), id: 'evt_node', type: 'product.created' };
  check('an event of unknown type', await deliver(JSON.stringify(other)), 200);
  endpoint.close();
}

main().then(
  () => process.exit(failures > 0 ? 1 : 0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
