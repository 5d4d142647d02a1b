//! Signatures of webhooks: an RSA key, with a certificate that an authority of the simulator's own answers for.
//!
//! Promises the chain that PayPal has: root, intermediate, leaf. The root is not in what is served.

use data_encoding::BASE64;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
    SigningKey, date_time_ymd,
};
use shared::clock::Time;

use crate::simulator::delivery::{Headers, Seal};

/// Where certificates are.
pub(super) const CERTIFICATES: &str = "/v1/notifications/certs/";
/// The name that the leaf answers to, as at PayPal.
const SUBJECT: &str = "messageverificationcerts.paypal.com";

#[derive(Debug)]
pub(super) struct Notary {
    /// The root's certificate, as PEM.
    pub authority: String,
    /// Leaf and intermediate, as PEM.
    pub chain: String,
    /// The last part of the certificate's URL.
    pub id: String,
    key: KeyPair,
}

impl Notary {
    /// Keys and certificates that are valid from a year before to ten years after.
    pub fn new(now: Time) -> Result<Self, rcgen::Error> {
        let year = i32::from(now.date_in(&TimeZone::UTC).year());
        let certificate = |name: &str, is_ca: bool| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.not_before = date_time_ymd(year - 1, 1, 1);
            params.not_after = date_time_ymd(year + 10, 1, 1);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            if is_ca {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            }
            params
        };
        let (root_key, middle_key) = (KeyPair::generate()?, KeyPair::generate()?);
        let root = certificate("PayPal simulator root", true);
        let authority = root.self_signed(&root_key)?.pem();
        let root = Issuer::new(root, root_key);
        let middle = certificate("PayPal simulator intermediate", true);
        let middle_pem = middle.signed_by(&middle_key, &root)?.pem();
        let middle = Issuer::new(middle, middle_key);
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let mut leaf = certificate(SUBJECT, false);
        leaf.subject_alt_names = vec![rcgen::SanType::DnsName(SUBJECT.try_into()?)];
        let leaf = leaf.signed_by(&key, &middle)?;
        let id = format!("CERT-360caa42-fca2a594-{:08x}", fastrand::u32(..));
        Ok(Self { authority, chain: format!("{}{middle_pem}", leaf.pem()), id, key })
    }

    /// The headers of a transmission to a webhook.
    pub fn sign(&self, base: &str, webhook: &str, at: Time, body: &[u8]) -> Headers {
        let transmission = uuid::Uuid::new_v4().to_string();
        let time = super::time_text(at);
        let signed = format!("{transmission}|{time}|{webhook}|{}", crc32fast::hash(body));
        let signature = self.key.sign(signed.as_bytes()).unwrap_or_default();
        vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", "PayPal/AUHD-214.0-58843870".to_owned()),
            ("paypal-transmission-id", transmission),
            ("paypal-transmission-time", time),
            ("paypal-transmission-sig", BASE64.encode(&signature)),
            ("paypal-cert-url", format!("{base}{CERTIFICATES}{}", self.id)),
            ("paypal-auth-algo", "SHA256withRSA".to_owned()),
        ]
    }

    /// What seals events for a webhook. Each try is a transmission of its own.
    pub fn seal(self: std::sync::Arc<Self>, base: &str, webhook: &str) -> Seal {
        let (base, webhook) = (base.to_owned(), webhook.to_owned());
        Seal::new(move |at, body| self.sign(&base, &webhook, at, body))
    }
}
