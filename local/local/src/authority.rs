//! The authority that signs the certificate of this machine's Kafka, as Amazon's signs those of MSK's brokers: made once in
//! the data folder, so that whoever trusts it goes on when the parts start again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use lakewright_platform::private;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// The names by which clients on this machine call it.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];
/// The file with the authority's certificate, which clients trust.
const CERTIFICATE: &str = "kafka-ca.pem";
/// The file with its key.
const KEY: &str = "kafka-ca.key";
/// What it is called.
const NAME: &str = "Lakewright's Kafka on this machine";

/// The authority of a data folder.
pub struct Authority {
    key: KeyPair,
    certificate: Certificate,
    /// Where clients find its certificate.
    pub file: PathBuf,
}

impl Authority {
    /// The one of the data folder, made when it has none.
    ///
    /// # Errors
    /// Its files can't be read or written, or hold something else.
    pub fn open(data: &Path) -> Result<Self> {
        let (file, place) = (data.join(CERTIFICATE), data.join(KEY));
        let hint = || format!("remove {} and {}, and both are made anew", place.display(), file.display());
        let kept = private::read(&place).context("read the key of Kafka's certificate authority")?;
        let key = match &kept {
            Some(key) => KeyPair::from_pem(key).with_context(hint)?,
            None => KeyPair::generate().context("make a key for Kafka's certificate authority")?,
        };
        let certificate = params().self_signed(&key).context("make Kafka's certificate authority")?;
        // The certificate comes last: where it is, its key is. Made anew of the same key it is as good as the one before.
        if kept.is_none() {
            private::write(&place, key.serialize_pem().as_bytes())?;
        }
        private::write(&file, certificate.pem().as_bytes())?;
        Ok(Self { key, certificate, file })
    }

    /// What a server on this machine proves by who it is.
    ///
    /// # Errors
    /// The certificate can't be made.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let key = KeyPair::generate().context("make a key for Kafka")?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned)).context("name this machine")?;
        params.distinguished_name.push(DnType::CommonName, NAMES[1]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.certificate, &self.key).context("sign Kafka's certificate")?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| anyhow::anyhow!("{error}"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("set up TLS")?
            .with_no_client_auth();
        let chain = vec![certificate.der().clone()];
        Ok(Arc::new(config.with_single_cert(chain, key).context("use Kafka's certificate")?))
    }
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_of_a_folder_stays_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Authority::open(folder.path()).expect("it is made");
        first.server().expect("it signs");
        let again = Authority::open(folder.path()).expect("it is there");
        assert_eq!(first.key.public_key_der(), again.key.public_key_der());
        assert_eq!(first.file, folder.path().join("kafka-ca.pem"));

        private::write(&folder.path().join("kafka-ca.key"), b"nothing").expect("written");
        let error = Authority::open(folder.path()).map(|_| ()).expect_err("it is no key");
        assert!(format!("{error:#}").contains("both are made anew"), "{error:#}");
    }
}
