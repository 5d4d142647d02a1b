//! The other process: database, secrets and Stripe, with all approved invoices that are to be paid.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::clock::{Clock, Time};
use shared::flow::invoice::created;
use shared::id::ScheduleId;
use shared::model::audit::{Actor, Audited};
use shared::model::invoice::{Approval, Counterparty, Draft, Invoice, InvoiceStatus, Kind};
use shared::model::payment::PaymentMethod;
use shared::model::schedule::{Schedule, ScheduleStatus};
use shared::money::Money;
use shared::store::commit::Commit;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::BenchError;
use super::tls::Tls;
use crate::seed::{self, ADMIN, TENANT};
use crate::stack::{self, Stack};
use crate::stripe::Delivery;

/// Invoices that are entered at a time.
const AT_A_TIME: usize = 32;

/// What it holds.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// How many approved invoices there are
    #[arg(long)]
    pub invoices: u32,
    /// How many more are scheduled
    #[arg(long)]
    pub scheduled: u32,
    /// How long Stripe takes for an answer, in milliseconds
    #[arg(long)]
    pub latency_ms: u64,
}

/// Where its parts are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Backend {
    pub dynamodb: String,
    /// The same behind TLS.
    pub dynamodb_tls: String,
    pub secrets: String,
    pub stripe: String,
    /// The same behind TLS.
    pub stripe_tls: String,
    /// What is to be trusted for that.
    pub certificate: String,
    pub tables: HashMap<String, String>,
}

/// The id of an invoice by its number.
pub(super) fn invoice_id(number: u32) -> String {
    format!("BENCH-{number:06}")
}

/// Runs until its input ends: until the benchmark does.
///
/// # Errors
/// [`BenchError`].
pub async fn backend(options: Options) -> Result<(), BenchError> {
    let stack = Stack::start(stack::Options::default()).await.map_err(BenchError::stack)?;
    // The benchmark delivers the events itself.
    stack.stripe.set_delivery(Delivery { dropped: true, ..Delivery::default() });
    seed::acme(&stack).await.map_err(BenchError::stack)?;
    let mut entering = JoinSet::new();
    for number in 0..options.invoices.saturating_add(options.scheduled) {
        if entering.len() >= AT_A_TIME {
            entered(entering.join_next().await)?;
        }
        entering.spawn(enter(stack.clone(), number, number >= options.invoices));
    }
    while let Some(done) = entering.join_next().await {
        entered(Some(done))?;
    }
    stack.stripe.set_latency(Duration::from_millis(options.latency_ms));
    let urls = stack.urls;
    let tls = Tls::new()?;
    let said = Backend {
        dynamodb_tls: tls.front(&urls.dynamodb).await?,
        stripe_tls: tls.front(&urls.stripe).await?,
        certificate: tls.certificate,
        dynamodb: urls.dynamodb,
        secrets: urls.secrets,
        stripe: urls.stripe,
        tables: stack.tables.clone(),
    };
    println!("{}", serde_json::to_string(&said)?);
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

fn entered(done: Option<Result<Result<(), BenchError>, tokio::task::JoinError>>) -> Result<(), BenchError> {
    done.map_or(Ok(()), |done| done.map_err(BenchError::stack)?)
}

/// Enters an approved invoice, as a payment that makes its own does; a `scheduled` one is due at once.
async fn enter(stack: Stack, number: u32, scheduled: bool) -> Result<(), BenchError> {
    let now = Clock::system().now();
    let id = invoice_id(number);
    let tenant: shared::id::TenantId = TENANT.parse().map_err(BenchError::stack)?;
    let admin: shared::id::UserId = ADMIN.parse().map_err(BenchError::stack)?;
    let counterparty = Counterparty {
        name: "Office Supplies Ltd".to_owned(),
        email: None,
        customer_id: None,
        vendor_id: None,
        stripe_account: None,
        paypal_email: None,
        plaid_method_id: None,
    };
    let mut invoice = Invoice::enter(Draft {
        tenant_id: tenant.clone(),
        invoice_id: id.parse().map_err(BenchError::stack)?,
        invoice_number: None,
        kind: Kind::Payable,
        counterparty,
        money: Money { amount_minor: 50_000, currency: "USD".parse().map_err(BenchError::stack)? },
        due_date: None,
        description: None,
        created_by: admin.clone(),
        created_at: now,
        fingerprint: shared::id::fingerprint(&[&id]),
    });
    let actor = Actor { tenant_id: tenant, user_id: admin.clone(), request_id: "bench".to_owned() };
    let first = invoice.record(&actor, "create", &created(&invoice), now);
    invoice.status = InvoiceStatus::Approved;
    invoice.approvals.push(Approval { user_id: admin, at: now });
    let second = invoice.record(&actor, "approve", &json!({ "status": ["draft", "approved"] }), now);
    let store = &stack.app.store;
    let mut commit = Commit::default();
    if scheduled {
        let schedule = promise(&mut invoice, now);
        commit.schedule(store, &schedule);
        let third = invoice.record(&actor, "schedule", &json!({ "status": ["approved", "scheduled"] }), now);
        commit.entry(store, third);
    }
    commit.invoice(store, &invoice, 0);
    commit.take_bill(store, &invoice, false);
    commit.entry(store, first);
    commit.entry(store, second);
    store.commit(commit, now.plus(Duration::from_mins(1))).await.map_err(BenchError::stack)
}

/// Schedules the invoice, with the default method of the day.
fn promise(invoice: &mut Invoice, now: Time) -> Schedule {
    invoice.attempts += 1;
    let mut schedule = Schedule {
        tenant_id: invoice.tenant_id.clone(),
        id: ScheduleId::attempt(&invoice.tenant_id, &invoice.invoice_id, invoice.attempts),
        invoice_id: invoice.invoice_id.clone(),
        status: ScheduleStatus::Pending,
        scheduled_date: now.date_in(&jiff::tz::TimeZone::UTC),
        due_at: now,
        due_shard: None,
        amount: invoice.amount,
        currency: invoice.currency,
        payment_method: PaymentMethod::Stripe,
        payment_method_id: None,
        approved_by: invoice.approvals.iter().map(|approval| approval.user_id.clone()).collect(),
        created_by: invoice.created_by.clone(),
        created_at: now,
        fingerprint: invoice.fingerprint.clone(),
        payments: Vec::new(),
        retries: 0,
        outages: 0,
        waits_since: None,
        refused_default: None,
        failure: None,
        revision: 1,
    };
    schedule.become_(ScheduleStatus::Pending);
    invoice.status = InvoiceStatus::Scheduled;
    invoice.schedule_id = Some(schedule.id.clone());
    schedule
}
