//! TLS in front of a part of the stack that speaks plain HTTP.
//!
//! One certificate for all fronts, made anew each time: it is its own authority.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::BenchError;

/// Where all fronts are.
const HOST: &str = "localhost";

/// A certificate, and what serves with it.
pub(super) struct Tls {
    /// What clients must trust.
    pub certificate: String,
    acceptor: TlsAcceptor,
}

impl Tls {
    pub(super) fn new() -> Result<Self, BenchError> {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).map_err(BenchError::stack)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(BenchError::stack)?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .map_err(BenchError::stack)?;
        Ok(Self { certificate: made.cert.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Starts a front for what is at `url`; the front's own URL.
    pub(super) async fn front(&self, url: &str) -> Result<String, BenchError> {
        let target: SocketAddr = url.trim_start_matches("http://").parse().map_err(BenchError::stack)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of file descriptors, for instance: not at once again.
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                };
                // Who does not like the certificate, or hangs up, says so itself.
                tokio::spawn(pass(acceptor.clone(), stream, target));
            }
        });
        Ok(format!("https://{HOST}:{port}"))
    }
}

async fn pass(acceptor: TlsAcceptor, stream: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    let mut plain = TcpStream::connect(target).await?;
    // The last part of a message must not wait for the other side.
    stream.set_nodelay(true)?;
    plain.set_nodelay(true)?;
    let mut encrypted = acceptor.accept(stream).await?;
    copy_bidirectional(&mut encrypted, &mut plain).await.map(drop)
}
