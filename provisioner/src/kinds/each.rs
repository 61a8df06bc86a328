//! Reading many things of a kind, each on its own: one that can't be read keeps no other from being found.

use anyhow::Result;
use futures::future::try_join_all;

use super::tags::{self, Tags};
use crate::kind::{Context, Wanted};
use crate::resource::Address;

/// A thing that is to be read.
#[derive(Debug)]
pub(super) struct One<F> {
    /// Its address, as far as it is known before it is read.
    pub(super) address: Option<Address>,
    /// Its identifier on AWS.
    pub(super) id: String,
    /// The reading.
    pub(super) read: F,
}

/// What could be read. Within a sweep what couldn't is noted there, with the reason.
pub(super) async fn each<T, F>(context: &Context, kind: &str, those: impl IntoIterator<Item = One<F>>) -> Result<Vec<T>>
where
    F: Future<Output = Result<Option<T>>>,
{
    let reads = those.into_iter().map(async |one| {
        let read = one.read.await;
        context.reading.keep(kind, one.address.as_ref(), &one.id, read)
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// The address of something that isn't read yet: what its tags say, else whose spec means it.
pub(super) fn address<S>(
    context: &Context,
    kind: &str,
    tags: Option<&Tags>,
    wanted: &[Wanted<'_, S>],
    means: impl Fn(&S) -> bool,
) -> Option<Address> {
    let meant = || wanted.iter().find(|one| means(one.spec)).map(|one| one.address.clone());
    tags.and_then(|tags| tags::address(context, kind, tags)).or_else(meant)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;
    use crate::kinds::testing;
    use crate::reading::Reading;

    #[tokio::test]
    async fn one_that_cannot_be_read_is_noted_and_the_others_are_found() {
        let reads = || {
            ["a", "b", "c"].map(|name| One {
                address: Some(Address::new("bucket", name)),
                id: format!("shop-{name}"),
                read: async move {
                    match name {
                        "a" => bail!("it is denied"),
                        "b" => Ok(None),
                        _ => Ok(Some(name)),
                    }
                },
            })
        };
        let context = Context { reading: Reading::of_one_sweep(), ..testing::context() };
        assert_eq!(each(&context, "bucket", reads()).await.expect("read"), ["c"]);
        let missed = context.reading.missed();
        let noted: Vec<_> = missed.iter().map(|one| (one.address.clone(), one.id.as_deref())).collect();
        assert_eq!(noted, [(Some(Address::new("bucket", "a")), Some("shop-a"))]);
        assert!(each(&testing::context(), "bucket", reads()).await.is_err(), "outside a sweep nobody would hear of it");
    }
}
