//! Paying: read, decide, reserve, send, settle.
//!
//! The reservation is the lock: the payment's id comes from the request, and its conditional put succeeds once, for
//! ever. Only the execution that made it sends at first.

pub(super) mod read;
pub(super) mod reserve;

use self::read::{Existing, made_by, read};
use self::reserve::{Intent, Origin, reserve};
use super::recover::touch_payment;
use super::schedule::promise;
use super::send::{Earlier, send};
use super::settle::{Finding, Pace, Source, reread, settle};
use super::sync::watch;
use super::{Invocation, Stop};
use crate::app::App;
use crate::bounds;
use crate::gateway::NextAction;
use crate::model::alert::RunAction;
use crate::model::payment::Payment;
use crate::model::schedule::Schedule;
use crate::model::transition::Case;
use crate::policy::pay::{PayRequest, decide};
use crate::policy::refusal::{Code, Refusal};
use crate::secrets::Keys;
use crate::store::commit::CommitError;
use crate::store::{Consistency, Key};

/// A pay request with what tells it from others.
#[derive(Clone, Debug)]
pub struct PayOrder {
    /// What is asked.
    pub request: PayRequest,
    /// The client's idempotency key.
    pub key: Option<String>,
    /// Of the request; the same key with another one is refused.
    pub fingerprint: String,
    /// It makes a scheduled payment, whatever the date.
    pub schedules: bool,
}

/// What a pay request led to.
#[derive(Clone, Debug)]
pub struct PayResult {
    /// What it made.
    pub made: Made,
    /// The same request had made it before.
    pub replayed: bool,
}

/// What a pay request makes.
#[derive(Clone, Debug)]
pub enum Made {
    /// A payment, as it stands.
    Payment {
        /// The payment.
        payment: Box<Payment>,
        /// What its customer needs to act.
        next_action: Option<NextAction>,
        /// The promise that its failure led to.
        schedule: Option<Box<Schedule>>,
    },
    /// A promise to pay.
    Schedule(Box<Schedule>),
}

/// Pays, or answers what became of the same request before.
///
/// # Errors
/// Everything that stands against it; or [`Stop::Busy`] before anything was written.
pub async fn pay(app: &App, invocation: &Invocation, order: &PayOrder) -> Result<PayResult, Stop> {
    let mut looked_up = false;
    for round in 0..bounds::DECISIONS {
        let consistency = if round == 0 { Consistency::Invoices } else { Consistency::Strong };
        let read = read(app, invocation, order, consistency).await?;
        if let Some(existing) = read.existing {
            return replay(app, invocation, order, existing).await;
        }
        if let Some(current) = read.running().filter(|_| !looked_up) {
            // The request may have come because nobody heard of the one before.
            looked_up = true;
            if let Some(payment) = app.store.get::<Payment>(&Key::payment(invocation.tenant(), &current)).await? {
                touch_payment(app, invocation, payment).await?;
            }
            continue;
        }
        let facts = read.facts(app);
        let plan = match decide(&order.request, order.schedules, &read.caller, &facts) {
            Ok(plan) => plan,
            Err(refusals) => return refused(app, invocation, order, consistency, refusals).await,
        };
        let (Some(keys), Some(invoice)) = (&read.keys, &read.invoice) else {
            return Err(Stop::Impossible("decided without a secret or an invoice"));
        };
        if let Some(date) = plan.later {
            match promise(app, invocation, order, &read, invoice, &plan, date).await {
                Ok(schedule) => return Ok(PayResult { made: Made::Schedule(Box::new(schedule)), replayed: false }),
                Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round + 1).await => continue,
                Err(error) => return Err(error.into()),
            }
        }
        if app.config.payments_paused {
            return Err(Stop::refused(Refusal::new(
                Code::Paused,
                "The operator has paused payments; nothing was done.",
            )));
        }
        // A reservation that leaves no time to send would only burn its key.
        if invocation.gateway_time(app).is_none() {
            return Err(Stop::Busy);
        }
        watch(app, invocation, keys, read.cursor.as_ref()).await?;
        let intent = Intent {
            invoice,
            method: read.method.as_ref().filter(|_| plan.takes_method),
            payment_method: order.request.payment_method,
            keys,
            plan: &plan,
            created_by: &read.caller.user_id,
            origin: Origin::Request(order),
        };
        match reserve(app, invocation, &intent).await {
            Ok(case) => return Ok(executed(app, invocation, case, keys.clone()).await),
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round + 1).await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Busy)
}

fn key_reused() -> Refusal {
    Refusal::new(
        Code::IdempotencyKeyReused,
        "The Idempotency-Key was used for another request; use a new one for a new payment.",
    )
}

/// The answer to a request that was made before.
async fn replay(app: &App, invocation: &Invocation, order: &PayOrder, existing: Existing) -> Result<PayResult, Stop> {
    let fingerprint = match &existing {
        Existing::Payment(payment) => &payment.fingerprint,
        Existing::Schedule(schedule) => &schedule.fingerprint,
    };
    if *fingerprint != order.fingerprint {
        return Err(Stop::refused(key_reused()));
    }
    let made = match existing {
        Existing::Payment(payment) => {
            let (payment, next_action) = touch_payment(app, invocation, *payment).await?;
            let schedule = super::schedule::led_to(app, &payment).await?;
            Made::Payment { payment: Box::new(payment), next_action, schedule: schedule.map(Box::new) }
        }
        Existing::Schedule(schedule) => Made::Schedule(schedule),
    };
    Ok(PayResult { made, replayed: true })
}

/// A refusal, unless the same key has been at work meanwhile: an eventual read may not show it yet.
async fn refused(
    app: &App,
    invocation: &Invocation,
    order: &PayOrder,
    consistency: Consistency,
    refusals: Vec<Refusal>,
) -> Result<PayResult, Stop> {
    if let Some(key) = order.key.as_ref().filter(|_| consistency != Consistency::Strong)
        && let Some(existing) = made_by(app, invocation.tenant(), key).await?
    {
        return replay(app, invocation, order, existing).await;
    }
    Err(Stop::Refused(refusals))
}

async fn executed(app: &App, invocation: &Invocation, case: Case, keys: Keys) -> PayResult {
    let (case, next_action) = execute(app, invocation, case, keys).await;
    let waits = case.movement().waits_for_customer();
    let made = Made::Payment {
        payment: Box::new(case.payment),
        next_action: next_action.filter(|_| waits),
        schedule: case.schedule.map(Box::new),
    };
    PayResult { made, replayed: false }
}

/// Sends what was just reserved, and settles it.
pub(super) async fn execute(app: &App, invocation: &Invocation, case: Case, keys: Keys) -> (Case, Option<NextAction>) {
    let (case, sent) = send(app, invocation, case, keys, Earlier::Nothing).await;
    let next_action = sent.next_action.clone();
    let finding = Finding { sent, source: Source::Reply, action: RunAction::Pay };
    let settled = match settle(app, invocation, case.clone(), &finding, Pace::Touch).await {
        Ok(settled) => settled,
        // The money may have moved; what the caller gets is what is written down.
        Err(error) => {
            tracing::error!(tenant_id = %case.payment.tenant_id, payment_id = %case.payment.id, %error, "settlement left to recovery");
            reread(app, case.movement()).await.unwrap_or(case)
        }
    };
    (settled, next_action)
}
