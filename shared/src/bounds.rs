//! Every bound in one place, each with its reason: no loop, retry, page, wait or body is without one.

use std::time::Duration;

/// Body of an API request, bytes. The largest legal one is under 4 KB.
pub const BODY_BYTES: usize = 64 * 1024;

/// Items of a page unless asked otherwise, and at most (one `BatchGetItem` reads 100).
pub const PAGE: usize = 25;
/// See [`PAGE`].
pub const PAGE_MAX: usize = 100;

/// Index pages that one filtered list request reads before it answers with a cursor.
pub const PAGES_PER_LIST: usize = 5;

/// Members of a tenant: all are read to see whether somebody can still approve.
pub const MEMBERS: usize = 1_000;

/// Bytes of a name or description: items stay under 1 KB, the size of one write unit.
pub const NAME_BYTES: usize = 100;

/// Bytes of a note, in which a person says what they found or did.
pub const NOTE_BYTES: usize = 200;

/// Bytes of an invoice number; it stands in the invoice, and in the description that a payment freezes.
pub const NUMBER_BYTES: usize = 64;

/// A gateway's id, bytes (Stripe: up to 255 characters).
pub const REFERENCE_BYTES: usize = 255;

/// Time to connect to a gateway.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for one request to a gateway, connecting included.
pub const GATEWAY_TIMEOUT: Duration = Duration::from_secs(10);

/// The least time for a request to a gateway that is worth starting.
pub const GATEWAY_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// Kept free before an invocation's deadline to settle and answer.
pub const SETTLE_RESERVE: Duration = Duration::from_secs(4);

/// API Gateway gives up after 30 s; a function that knows no better ends a second earlier.
pub const REQUEST_TIME: Duration = Duration::from_secs(29);

/// Sends of one execution under one key.
pub const SENDS: u32 = 3;

/// First pause between sends and the longest; full jitter below that.
pub const SEND_BACKOFF: Duration = Duration::from_millis(500);
/// See [`SEND_BACKOFF`].
pub const SEND_BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The longest pause that a gateway is believed to ask for; longer ones end the invocation's tries all the same.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// How long after a reservation, or its renewal, a send may start.
pub const SEND_WINDOW: Duration = Duration::from_secs(120);

/// How long after the window a failure that is not the reply to the open send is believed.
pub const SEND_MARGIN: Duration = Duration::from_secs(30);

/// How long Stripe keeps an idempotency key at least.
pub const STRIPE_KEY: Duration = Duration::from_hours(24);

/// Re-sends stop this long after the first send, well before the key may be forgotten.
pub const STRIPE_RESEND: Duration = Duration::from_hours(20);

/// How long PayPal keeps the request ids of orders.
pub const PAYPAL_ORDER_KEY: Duration = Duration::from_hours(6);

/// Re-sends of an order stop this long after the first send.
pub const PAYPAL_ORDER_RESEND: Duration = Duration::from_hours(5);

/// How long PayPal keeps the request ids of refunds.
pub const PAYPAL_REFUND_KEY: Duration = Duration::from_hours(45 * 24);

/// Re-sends of a refund stop this long after the first send.
pub const PAYPAL_REFUND_RESEND: Duration = Duration::from_hours(40 * 24);

/// An approved order is captured, and its capture asked for again, until this long after its payment was reserved: a day
/// more than its customer has.
pub const PAYPAL_CAPTURE: Duration = Duration::from_hours(48);

/// PayPal forgets orders that nobody has approved for so long.
pub const PAYPAL_APPROVAL: Duration = Duration::from_hours(3);

/// A token of PayPal's is replaced this long before it ends.
pub const PAYPAL_TOKEN_MARGIN: Duration = Duration::from_mins(5);

/// How long after a send PayPal's first event about it may be made.
pub const PAYPAL_EVENT_LAG: Duration = Duration::from_hours(1);

/// How far back PayPal lists its events.
pub const PAYPAL_EVENTS_KEPT: Duration = Duration::from_hours(30 * 24);

/// Objects that one look-up by events reads.
pub const PAYPAL_EVENT_OBJECTS: usize = 5;

/// Disputes of one capture that are read: a page of PayPal's list.
pub const PAYPAL_DISPUTES: usize = 50;

/// How old the signature of one of PayPal's webhooks may be: deliveries are repeated for three days and may keep their
/// time.
pub const PAYPAL_SIGNATURE_AGE: Duration = Duration::from_hours(3 * 24);

/// Certificates of PayPal's that are kept: a few are in use at a time.
pub const CERTIFICATE_SLOTS: usize = 16;

/// Certificates that are none, which one sandbox asks for in a [`CERTIFICATE_PAUSE`]: anybody may name them, and PayPal
/// limits who asks too often.
pub const CERTIFICATE_FETCHES: usize = 5;

/// How long a certificate that was none is not asked for again.
pub const CERTIFICATE_PAUSE: Duration = Duration::from_mins(1);

/// A certificate with what is above it, bytes.
pub const CERTIFICATE_BYTES: usize = 64 * 1024;

/// How long an alert's commit waits for the address that the alert is to carry: much less than [`SETTLE_RESERVE`], since
/// no settlement may fail for it.
pub const ALERT_ADDRESS: Duration = Duration::from_millis(500);

/// When recovery first looks at a reservation.
pub const FIRST_CHECK: Duration = Duration::from_secs(60);

/// Pauses between the checks of a payment of unknown outcome; then daily.
pub const CHECKS: [Duration; 7] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(4),
    Duration::from_hours(8),
    Duration::from_hours(16),
];

/// Pause between the checks of what the gateway has and is not done with: bank days.
pub const DAILY: Duration = Duration::from_hours(24);

/// A payment that was looked up less than this ago is not looked up again by whoever touches it.
pub const LOOKUP_PAUSE: Duration = Duration::from_secs(2);

/// A payment that waits for its customer is canceled at the gateway after this.
pub const ACTION_LIFETIME: Duration = Duration::from_hours(24);

/// Clock differences between us and a gateway that a look-up by time allows for.
pub const LOOKUP_SKEW: Duration = Duration::from_mins(5);

/// Pages of 100 that a look-up by time reads: 10,000 payments of one customer in a day. The deadline usually ends it
/// first.
pub const LOOKUP_PAGES: usize = 100;

/// Keys that one `BatchGetItem` takes.
pub const BATCH: usize = 100;

/// Tries of a read by the AWS clients, and the first pause between them (full jitter, doubled each time).
pub const AWS_TRIES: u32 = 4;
/// See [`AWS_TRIES`].
pub const AWS_BACKOFF: Duration = Duration::from_millis(50);

/// Time to connect to DynamoDB or Secrets Manager.
pub const AWS_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for one try of a request to them; DynamoDB answers in milliseconds.
pub const AWS_TIMEOUT: Duration = Duration::from_secs(3);

/// Tries of one commit against conflicts and throttling; the deadline usually ends it first.
pub const COMMIT_TRIES: u32 = 30;

/// First pause between the tries of a commit and the longest; full jitter below that.
pub const COMMIT_BACKOFF: Duration = Duration::from_millis(20);
/// See [`COMMIT_BACKOFF`].
pub const COMMIT_BACKOFF_MAX: Duration = Duration::from_millis(500);

/// How often a decision is made again because somebody else changed what it was made on.
pub const DECISIONS: u32 = 30;

/// Age at which a cached secret is read again.
pub const SECRET_TTL: Duration = Duration::from_mins(5);

/// Age at which a secret that was not there, or not what it should be, is looked for again.
pub const SECRET_MISSING_TTL: Duration = Duration::from_mins(1);

/// A secret is not fetched anew for a refused key more often than this.
pub const SECRET_REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// Shards of the index of unsettled payments: one hot partition takes 1,000 writes a second.
pub const SHARDS: u8 = 16;

/// Unsettled payments that one sweep reads from one shard.
pub const SWEEP_PER_SHARD: usize = 1_000;

/// Payments that one sweep works on at a time.
pub const SWEEP_CONCURRENCY: usize = 8;

/// Body of a webhook, bytes.
pub const WEBHOOK_BYTES: usize = 256 * 1024;

/// Time for one webhook; gateways don't wait long.
pub const WEBHOOK_TIME: Duration = Duration::from_secs(20);

/// How far the time of a signature may be from ours, in both directions (Stripe's own libraries: 300 s).
pub const SIGNATURE_AGE: Duration = Duration::from_secs(300);

/// How long an event is remembered. Gateways deliver again for days, people for up to a month.
pub const EVENT_TTL: Duration = Duration::from_hours(35 * 24);

/// Younger than this, an event about something that is not in the books may be ahead of them.
pub const EVENT_EARLY: Duration = Duration::from_hours(1);

/// Pages of 100 that a look-up of a payment's refunds or disputes reads.
pub const AFTERMATH_PAGES: usize = 20;

/// Secrets that are kept. Anybody can ask a public URL for tenants that don't exist; those are dropped first.
pub const SECRET_SLOTS: usize = 1_000;

/// Pauses before a scheduled payment is tried again since the gateway was not to be had; then daily.
pub const OUTAGE_PAUSES: [Duration; 3] = [Duration::from_mins(15), Duration::from_hours(1), Duration::from_hours(4)];

/// How often it is put off for that: after the tenth failed execution a person decides.
pub const OUTAGES: u32 = 9;

/// How far ahead a payment may be scheduled, years.
pub const SCHEDULE_YEARS: i16 = 2;

/// Scheduled payments of one shard that a run reads at a time.
pub const DUE_PAGE: i32 = 200;

/// Scheduled payments that one executor works on at a time, unless configured otherwise.
pub const EXECUTOR_CONCURRENCY: u32 = 16;

/// Scheduled payments started in a second for one gateway account, unless configured otherwise (Stripe allows 25
/// requests a second and endpoint).
pub const GATEWAY_RATE: u32 = 20;

/// Payouts started in a second for one PayPal account at most: PayPal takes 400 a minute, and pay-now makes some too.
pub const PAYPAL_PAYOUT_RATE: u32 = 6;

/// How long an executor has a shard to itself unless it says so again. For the rate only: without it nothing is unsafe.
pub const LEASE: Duration = Duration::from_secs(30);

/// How often it says so.
pub const LEASE_RENEWAL: Duration = Duration::from_secs(10);

/// An executor starts no payment in the last minute of its time, or in the last third where that is less.
pub const EXECUTOR_RESERVE: Duration = Duration::from_mins(1);

/// How often one debit is put before the bank: the first time, and twice more after it came back for want of money.
pub const PRESENTMENTS: u32 = 3;

/// How long after the first time a debit may be presented again (NACHA: 180 days).
pub const PRESENTMENT_WINDOW: Duration = Duration::from_hours(180 * 24);

/// How long Plaid keeps the idempotency keys of authorizations and refunds.
pub const PLAID_KEY: Duration = Duration::from_hours(48);

/// Re-sends stop this long after the first send, well before the key may be forgotten.
pub const PLAID_RESEND: Duration = Duration::from_hours(40);

/// An authorization is used within this time or not at all: Plaid takes it for an hour.
pub const PLAID_AUTHORIZATION: Duration = Duration::from_mins(50);

/// When an authorization was written down this long ago and Plaid knows no transfer under it, there never will be one.
pub const PLAID_UNUSED: Duration = Duration::from_hours(2);

/// How long a debit may come back: 60 days and what banks take, so that events are asked for daily until then.
pub const PLAID_WATCH: Duration = Duration::from_hours(90 * 24);

/// Events of Plaid's that are asked for at a time: the most that it gives.
pub const PLAID_EVENTS: u32 = 500;

/// The header of a webhook of Plaid's, bytes; it has under 400.
pub const PLAID_TOKEN_BYTES: usize = 2 * 1024;

/// Keys of Plaid's webhooks that are kept: each client has one or two in use.
pub const PLAID_KEY_SLOTS: usize = 1_000;

/// Keys that are none, which one sandbox asks for in a [`PLAID_KEY_PAUSE`] for one client: anybody may name them.
pub const PLAID_KEY_FETCHES: usize = 5;

/// How long a key that was none is not asked for again.
pub const PLAID_KEY_PAUSE: Duration = Duration::from_mins(1);

/// How long one sweep asks for the events of one tenant.
pub const SYNC_TIME: Duration = Duration::from_mins(1);

/// How long a tenant's secret that is gone is not looked for again, while what was paid may come back.
pub const PLAID_SECRET_PAUSE: Duration = Duration::from_hours(1);

/// How often a secret that is being deleted is written anew: its public token serves once.
pub const SECRET_WRITES: u32 = 10;
/// Pause between two of these.
pub const SECRET_WRITE_PAUSE: Duration = Duration::from_millis(500);

/// So long before its card ends, a method is called expiring.
pub const EXPIRY_NOTICE: Duration = Duration::from_hours(60 * 24);

/// So many months back cards are looked for whose end nobody has written down: the daily run may have been off.
pub const EXPIRY_MONTHS_BACK: i32 = 12;

/// How long one daily run writes down which cards end; the rest is left for the next.
pub const EXPIRY_TIME: Duration = Duration::from_mins(5);

/// Bytes of an address that a browser is to come back to.
pub const URL_BYTES: usize = 2_000;

/// Time for one request to a model: it writes a few sentences.
pub const ANALYSIS_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for explaining one alert, tries and pauses included: a batch of five fits into the function's time.
pub const ANALYSIS_TIME: Duration = Duration::from_secs(50);

/// Kept free of that to write the explanation down.
pub const ANALYSIS_RESERVE: Duration = Duration::from_secs(3);

/// Requests to a model about one alert.
pub const ANALYSIS_TRIES: u32 = 3;

/// First pause between them and the longest; full jitter below that.
pub const ANALYSIS_BACKOFF: Duration = Duration::from_secs(1);
/// See [`ANALYSIS_BACKOFF`].
pub const ANALYSIS_BACKOFF_MAX: Duration = Duration::from_secs(8);

/// Tokens that a model may write about one alert, what it thinks included: a few cents.
pub const ANALYSIS_TOKENS: u32 = 4_096;

/// Body of a model's answer, bytes.
pub const ANALYSIS_BYTES: usize = 64 * 1024;

/// Characters of the summary, and of each of the other two texts, of an explanation.
pub const SUMMARY_CHARS: usize = 300;
/// See [`SUMMARY_CHARS`].
pub const EXPLANATION_CHARS: usize = 800;

/// A tenant's last agent runs, in which repeated failures are counted and of which a model is told, and how far back.
pub const ANALYSIS_RUNS: usize = 50;
/// See [`ANALYSIS_RUNS`].
pub const ANALYSIS_LATELY: Duration = Duration::from_hours(7 * 24);

/// What is raised again is asked about again after this time, or when it was raised twice as often: something that goes
/// wrong a thousand times costs ten answers, and then one a day.
pub const ANALYSIS_AGE: Duration = Duration::from_hours(24);

/// Agent runs and audit entries that a model is told of at most: the last ones.
pub const ANALYSIS_EVENTS: usize = 20;

/// As many failures of one method, of one vendor or of one thing are no accident.
pub const REPEATED: u64 = 3;

/// Currencies that one map of amounts may name.
pub const CURRENCIES: usize = 40;

/// Retries for want of money that a tenant may ask for, and the longest wait, in days.
pub const RETRIES: usize = 10;
/// See [`RETRIES`].
pub const RETRY_DAYS_MAX: u16 = 60;
