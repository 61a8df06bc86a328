//! Bodies of requests, read into memory up to a limit.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use std::fmt;

/// Why a body can't be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is longer than that many bytes.
    TooLong(usize),
    /// It breaks off, or pauses for too long.
    Broken(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(most) => write!(out, "the body is longer than {most} bytes"),
            Self::Broken(why) => write!(out, "the body breaks off: {why}"),
        }
    }
}

/// The whole of a body.
pub(crate) async fn whole(body: Body, most: usize) -> Result<Bytes, Fault> {
    let mut whole = BytesMut::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Fault::Broken(error.to_string()))?;
        if whole.len() + piece.len() > most {
            return Err(Fault::TooLong(most));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let body = || Body::from_stream(futures::stream::iter(["ab", "cd"].map(Ok::<_, std::io::Error>)));
        assert_eq!(whole(body(), 4).await, Ok(Bytes::from("abcd")));
        assert_eq!(whole(body(), 3).await, Err(Fault::TooLong(3)));
        assert_eq!(whole(Body::empty(), 0).await, Ok(Bytes::new()));
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 1 << 20])));
        assert_eq!(whole(Body::from_stream(endless), 3).await, Err(Fault::TooLong(3)));
        let broken = futures::stream::iter([Ok("ab"), Err(std::io::Error::other("gone"))]);
        assert!(matches!(whole(Body::from_stream(broken), 4).await, Err(Fault::Broken(_))));
    }
}
