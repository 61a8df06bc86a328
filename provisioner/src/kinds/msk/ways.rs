//! The ways of logging in to a cluster, as its description says them: what MSK leaves out is off.

use aws_sdk_kafka::types::{ClientAuthentication, Cluster, Iam, Scram, ServerlessClientAuthentication};

/// Whether clients may log in by IAM.
pub(crate) fn iam(cluster: &Cluster) -> bool {
    let provisioned = || provisioned(cluster)?.sasl()?.iam().and_then(Iam::enabled);
    let serverless = || serverless(cluster)?.sasl()?.iam().and_then(Iam::enabled);
    provisioned().or_else(serverless).unwrap_or_default()
}

/// Whether clients may log in with a password.
pub(crate) fn scram(cluster: &Cluster) -> bool {
    let enabled = || provisioned(cluster)?.sasl()?.scram().and_then(Scram::enabled);
    enabled().unwrap_or_default()
}

/// Whether clients may log in with a certificate.
pub(crate) fn certificates(cluster: &Cluster) -> bool {
    let enabled = || provisioned(cluster)?.tls()?.enabled();
    enabled().unwrap_or_default()
}

/// Whether clients may stay unknown.
pub(crate) fn unauthenticated(cluster: &Cluster) -> bool {
    let enabled = || provisioned(cluster)?.unauthenticated()?.enabled();
    enabled().unwrap_or_default()
}

/// Whether the description says nothing of ways at all.
pub(crate) fn are_unsaid(cluster: &Cluster) -> bool {
    provisioned(cluster).is_none() && serverless(cluster).is_none()
}

fn provisioned(cluster: &Cluster) -> Option<&ClientAuthentication> {
    cluster.provisioned()?.client_authentication()
}

fn serverless(cluster: &Cluster) -> Option<&ServerlessClientAuthentication> {
    cluster.serverless()?.client_authentication()
}
