//! How alerts and agent runs are answered.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shared::api::About;
use shared::model::alert::{AgentRun, Explanation, Raised};

/// An alert; once resolved, with who did it, when and how.
pub fn alert(alert: &Raised) -> Value {
    let resolution = alert.resolution.as_ref();
    without_nulls(json!({
        "id": alert.alert_id,
        "kind": alert.kind,
        "severity": alert.severity,
        "status": alert.status,
        "invoice_id": alert.invoice_id,
        "payment_id": alert.payment_id,
        "schedule_id": alert.schedule_id,
        "method_id": alert.method_id,
        "message": alert.message,
        "next_action": alert.next_action,
        "count": alert.count,
        "first_seen": alert.first_seen,
        "last_seen": alert.last_seen,
        "explanation": alert.explanation.as_ref().map(suggested),
        "resolved_by": resolution.map(|resolution| &resolution.resolved_by),
        "resolved_at": resolution.map(|resolution| resolution.resolved_at),
        "note": resolution.map(|resolution| &resolution.note),
    }))
}

/// What a model made of an alert, and that it is no more than that.
fn suggested(explanation: &Explanation) -> Value {
    json!({
        "suggestion": true,
        "summary": explanation.summary,
        "likely_cause": explanation.likely_cause,
        "suggested_action": explanation.suggested_action,
        "confidence": explanation.confidence,
        "count": explanation.count,
        "model": explanation.model,
        "at": explanation.at,
    })
}

/// The answer to a resolution.
pub fn resolved(alert: &Raised) -> Response {
    let mut response = axum::Json(self::alert(alert)).into_response();
    response.extensions_mut().insert(About {
        invoice_id: alert.invoice_id.as_ref().map(ToString::to_string),
        payment_id: alert.payment_id.as_ref().map(ToString::to_string),
    });
    response
}

/// An agent run.
pub fn run(run: &AgentRun) -> Value {
    without_nulls(json!({
        "id": run.run_id,
        "action": run.action,
        "user_id": run.user_id,
        "request_id": run.request_id,
        "invoice_id": run.invoice_id,
        "payment_id": run.payment_id,
        "refund_id": run.refund_id,
        "error_class": run.error_class,
        "gateway_code": run.gateway_code,
        "attempts": run.attempts,
        "duration_ms": run.duration_ms,
        "at": run.at,
    }))
}

/// What does not apply is not there.
fn without_nulls(mut view: Value) -> Value {
    if let Some(members) = view.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    view
}
