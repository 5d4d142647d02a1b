//! Who signed a webhook: checked without asking PayPal
//! (developer.paypal.com/api/rest/webhooks/rest, "Verify message").
//!
//! The signature is RSA with SHA-256 over the transmission's id and time, our own webhook id and the CRC-32 of the raw
//! body, in decimal, with bars between. The certificate comes from where the message says, which is believed of PayPal's
//! own hosts alone, over TLS and without redirects; it is then checked for itself: a chain to a public root, valid now,
//! and with a name below `paypal.com`. For a simulator, and only where extra roots are configured, the API's own host
//! serves certificates too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use http::HeaderMap;
use reqwest::Url;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use tokio::sync::Mutex as AsyncMutex;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, aws_lc_rs};

use crate::bounds;
use crate::clock::{Clock, Time};
use crate::gateway::Trouble;
use crate::gateway::wire::trouble;

/// Hosts that PayPal's certificates come from.
const HOSTS: [&str; 2] = ["api.paypal.com", "api.sandbox.paypal.com"];
/// Where they are below those.
const PATH: &str = "/v1/notifications/certs/";
/// What the names in them end with.
const NAME: &str = ".paypal.com";
/// The only algorithm, by PayPal's name.
const ALGORITHM: &str = "SHA256withRSA";
/// Bytes of a header of a transmission; ids and times are far shorter, a signature is 344, a URL under 200.
const HEADER_BYTES: usize = 1024;

/// Algorithms that a chain may be signed with: those of public roots.
static CHAIN: [&dyn SignatureVerificationAlgorithm; 6] = [
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
    aws_lc_rs::ECDSA_P256_SHA256,
    aws_lc_rs::ECDSA_P384_SHA256,
    aws_lc_rs::ECDSA_P384_SHA384,
];

/// Why a webhook is not believed, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is not PayPal's, or not for us. Says why, for the log.
    #[error("not signed by PayPal: {0}")]
    Refused(&'static str),
    /// The certificate could not be fetched: the delivery is wanted again.
    #[error("PayPal's certificate could not be had: {}", .0.as_str())]
    Unavailable(Trouble),
}

/// What the headers say of a transmission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmission {
    id: String,
    /// As it is signed.
    time: String,
    at: Time,
    signature: Vec<u8>,
    certificate: String,
    algorithm: String,
}

impl Transmission {
    /// Reads the headers; `None`: nothing in them proves anything.
    #[must_use]
    pub fn parse(headers: &HeaderMap) -> Option<Self> {
        let header = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            (!value.is_empty() && value.len() <= HEADER_BYTES).then(|| value.to_owned())
        };
        let time = header("paypal-transmission-time")?;
        Some(Self {
            id: header("paypal-transmission-id")?,
            at: time.parse().ok()?,
            time,
            signature: BASE64.decode(header("paypal-transmission-sig")?.as_bytes()).ok()?,
            certificate: header("paypal-cert-url")?,
            algorithm: header("paypal-auth-algo")?,
        })
    }

    /// Whether it was made in the days in which a delivery is repeated, which may keep its time.
    #[must_use]
    pub fn is_recent(&self, now: Time) -> bool {
        now.since(self.at) <= bounds::PAYPAL_SIGNATURE_AGE && self.at.since(now) <= bounds::SIGNATURE_AGE
    }

    /// What is signed.
    fn message(&self, webhook_id: &str, body: &[u8]) -> String {
        format!("{}|{}|{webhook_id}|{}", self.id, self.time, crc32fast::hash(body))
    }
}

/// Why extra roots are no roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PAYPAL_WEBHOOK_CA is no PEM of certificates, or PAYPAL_API_BASE no URL")]
pub struct NoRoots;

/// Where certificates may come from, and whom they may be signed by.
#[derive(Clone)]
struct Trust {
    roots: Arc<[TrustAnchor<'static>]>,
    /// Scheme and host of a simulator.
    simulator: Option<(String, String)>,
}

/// Checks signatures; cheap to clone, keeps certificates by their URL.
#[derive(Clone)]
pub struct Verifier {
    http: reqwest::Client,
    clock: Clock,
    trust: Trust,
    chains: Arc<Mutex<HashMap<String, Chain>>>,
    /// Locked while a certificate is being fetched.
    misses: Arc<AsyncMutex<Vec<Miss>>>,
}

/// A certificate that was asked for lately, in vain: anybody may name one.
struct Miss {
    webhook_id: String,
    url: String,
    at: Time,
    why: SignatureError,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trust { roots, simulator } = &self.trust;
        f.debug_struct("Verifier").field("roots", &roots.len()).field("simulator", simulator).finish_non_exhaustive()
    }
}

/// A certificate and those above it, kept once it held. Whether it still does is asked each time: certificates end.
type Chain = Arc<[CertificateDer<'static>]>;

impl Verifier {
    /// A verifier that trusts the public roots.
    #[must_use]
    pub fn new(http: reqwest::Client, clock: Clock) -> Self {
        let trust = Trust { roots: webpki_roots::TLS_SERVER_ROOTS.into(), simulator: None };
        Self { http, clock, trust, chains: Arc::default(), misses: Arc::default() }
    }

    /// The same, trusting the roots in `pem` too, and the host of the API at `base` to serve certificates.
    ///
    /// # Errors
    /// [`NoRoots`].
    pub fn trusting(self, pem: &str, base: &str) -> Result<Self, NoRoots> {
        let mut roots = self.trust.roots.to_vec();
        let certificates = chain(pem.as_bytes()).ok_or(NoRoots)?;
        for certificate in certificates.iter() {
            roots.push(anchor_from_trusted_cert(certificate).map_err(|_| NoRoots)?.to_owned());
        }
        let base = Url::parse(base).map_err(|_| NoRoots)?;
        let host = base.host_str().ok_or(NoRoots)?.to_owned();
        let trust = Trust { roots: roots.into(), simulator: Some((base.scheme().to_owned(), host)) };
        Ok(Self { trust, ..self })
    }

    /// The same, going by another clock, with misses of its own: ages of two clocks don't mix.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Self {
        Self { clock, misses: Arc::default(), ..self.clone() }
    }

    /// Whether PayPal has signed `body` for the endpoint `webhook_id`, within the last days.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub async fn verify(
        &self,
        transmission: &Transmission,
        webhook_id: &str,
        body: &[u8],
        timeout: Duration,
    ) -> Result<(), SignatureError> {
        let now = self.clock.now();
        // An empty one is a placeholder, and anybody's.
        if webhook_id.trim().is_empty() {
            return Err(SignatureError::Refused("no webhook id is configured"));
        }
        if transmission.algorithm != ALGORITHM {
            return Err(SignatureError::Refused("another algorithm"));
        }
        if !transmission.is_recent(now) {
            return Err(SignatureError::Refused("too old, or of the future"));
        }
        let (url, host) = self.trust.source(&transmission.certificate)?;
        let chain = self.chain(&url, &host, webhook_id, now, timeout).await?;
        let leaf = leaf(&chain)?;
        let message = transmission.message(webhook_id, body);
        leaf.verify_signature(aws_lc_rs::RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &transmission.signature)
            .map_err(|_| SignatureError::Refused("another body, webhook id or key"))
    }

    /// The chain at a URL, which holds now: one that is kept, or as it is served. One task at a time asks.
    async fn chain(
        &self,
        url: &Url,
        host: &str,
        webhook_id: &str,
        now: Time,
        timeout: Duration,
    ) -> Result<Chain, SignatureError> {
        if let Some(chain) = self.kept(url, host, now) {
            return Ok(chain);
        }
        let busy = SignatureError::Unavailable(Trouble::Busy);
        let mut misses = tokio::time::timeout(timeout, self.misses.lock()).await.map_err(|_| busy)?;
        if let Some(chain) = self.kept(url, host, now) {
            return Ok(chain);
        }
        misses.retain(|miss| now < miss.at.plus(bounds::CERTIFICATE_PAUSE));
        let known = misses.iter().find(|miss| miss.url == url.as_str()).map(|miss| miss.why);
        if let Some(why @ SignatureError::Refused(_)) = known {
            return Err(why);
        }
        // Whoever forges one tenant's events keeps no other's from being verified.
        let of_webhook = misses.iter().filter(|miss| miss.webhook_id == webhook_id).count();
        if of_webhook >= bounds::CERTIFICATE_FETCHES {
            return Err(busy);
        }
        let served = self.fetch(url, timeout).await;
        let served = served.and_then(|pem| chain(&pem).ok_or(SignatureError::Refused("no certificate")));
        match served.and_then(|chain| self.trust.check(&chain, host, now).map(|()| chain)) {
            Ok(chain) => {
                let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
                if chains.len() >= bounds::CERTIFICATE_SLOTS {
                    chains.clear();
                }
                chains.insert(url.to_string(), Arc::clone(&chain));
                Ok(chain)
            }
            Err(why) => {
                misses.push(Miss { webhook_id: webhook_id.to_owned(), url: url.to_string(), at: now, why });
                Err(why)
            }
        }
    }

    /// The chain that is kept of a URL, if it still holds.
    fn kept(&self, url: &Url, host: &str, now: Time) -> Option<Chain> {
        let chain = self.chains.lock().unwrap_or_else(PoisonError::into_inner).get(url.as_str()).cloned()?;
        self.trust.check(&chain, host, now).is_ok().then_some(chain)
    }

    async fn fetch(&self, url: &Url, timeout: Duration) -> Result<Vec<u8>, SignatureError> {
        let request = self.http.get(url.clone()).timeout(timeout);
        let mut response = request.send().await.map_err(|error| SignatureError::Unavailable(trouble(&error)))?;
        match response.status().as_u16() {
            200 => {}
            429 => return Err(SignatureError::Unavailable(Trouble::Busy)),
            500.. => return Err(SignatureError::Unavailable(Trouble::Fault)),
            // A redirect leads elsewhere, whoever sends it.
            _ => return Err(SignatureError::Refused("no certificate at its URL")),
        }
        let mut pem = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|_| SignatureError::Unavailable(Trouble::Lost))? {
            if pem.len() + part.len() > bounds::CERTIFICATE_BYTES {
                return Err(SignatureError::Refused("a certificate of that size is none"));
            }
            pem.extend_from_slice(&part);
        }
        Ok(pem)
    }
}

impl Trust {
    /// The URL of a certificate, and its host, if that may be asked.
    fn source(&self, url: &str) -> Result<(Url, String), SignatureError> {
        let refused = SignatureError::Refused("a certificate from elsewhere");
        let parsed = Url::parse(url).map_err(|_| refused)?;
        let host = parsed.host_str().ok_or(refused)?.to_owned();
        let is_paypals = parsed.scheme() == "https" && HOSTS.contains(&host.as_str()) && parsed.port().is_none();
        let is_simulators =
            self.simulator.as_ref().is_some_and(|(scheme, own)| parsed.scheme() == scheme && host == *own);
        let is_plain = parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.query().is_none()
            && parsed.fragment().is_none();
        let name = parsed.path().strip_prefix(PATH).unwrap_or_default();
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if (is_paypals || is_simulators) && is_plain && is_name { Ok((parsed, host)) } else { Err(refused) }
    }

    /// Whether the certificate at the end of a chain is PayPal's, and is so now.
    fn check(&self, chain: &Chain, host: &str, now: Time) -> Result<(), SignatureError> {
        let refused = SignatureError::Refused(NOT_VALID);
        let above = chain.get(1..).ok_or(refused)?;
        let leaf = leaf(chain)?;
        let time = Duration::from_millis(u64::try_from(now.millis()).map_err(|_| refused)?);
        let time = UnixTime::since_unix_epoch(time);
        leaf.verify_for_usage(&CHAIN, &self.roots, above, time, KeyUsage::server_auth(), None, None)
            .map_err(|_| refused)?;
        let is_for = |name: &str| {
            ServerName::try_from(name).is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
        };
        // PayPal documents no name but the end of it; a wildcard stands for each name that it covers.
        let is_paypals = leaf.valid_dns_names().map(|name| name.to_ascii_lowercase().replacen('*', "api", 1));
        let is_paypals = is_paypals.filter(|name| name.ends_with(NAME)).any(|name| is_for(&name));
        // A simulator may go by its own name.
        let is_simulators = self.simulator.as_ref().is_some_and(|(_, own)| own == host) && is_for(host);
        if is_paypals || is_simulators {
            Ok(())
        } else {
            Err(SignatureError::Refused("a certificate with another name"))
        }
    }
}

/// Why a certificate proves nothing.
const NOT_VALID: &str = "a certificate that is not valid";

/// The certificate at the end of a chain.
fn leaf(chain: &Chain) -> Result<EndEntityCert<'_>, SignatureError> {
    let refused = SignatureError::Refused(NOT_VALID);
    EndEntityCert::try_from(chain.first().ok_or(refused)?).map_err(|_| refused)
}

/// The certificates of a PEM; `None`: there are none, or one can't be read.
fn chain(pem: &[u8]) -> Option<Chain> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty()).map(Into::into)
}

#[cfg(test)]
mod tests;
