//! Answers that equal calls share.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::errors::Error;

/// Answers by service, operation and input.
#[derive(Debug, Default)]
pub struct Answers(Mutex<HashMap<(&'static str, String, String), Arc<OnceCell<Value>>>>);

impl Answers {
    /// The answer to a call: an equal one's, be it there or under way, or the one that `call` gets. Errors are not kept.
    pub async fn of(
        &self,
        service: &'static str,
        operation: &str,
        input: &Value,
        call: impl Future<Output = Result<Value, Error>>,
    ) -> Result<Value, Error> {
        let key = (service, operation.to_owned(), input.to_string());
        let answer = self.0.lock().entry(key).or_default().clone();
        answer.get_or_try_init(|| call).await.cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn equal_calls_are_sent_once_and_others_are_not_mixed_up() {
        let answers = Answers::default();
        let sent = AtomicU32::new(0);
        let ask = async |operation: &str, input: Value| {
            let call = async {
                tokio::task::yield_now().await;
                Ok(json!(sent.fetch_add(1, Ordering::Relaxed)))
            };
            answers.of("glue", operation, &input, call).await.expect("answered")
        };
        let two = tokio::join!(ask("GetTables", json!({"a": 1})), ask("GetTables", json!({"a": 1})));
        assert_eq!(two.0, two.1);
        assert_ne!(ask("GetTables", json!({"a": 2})).await, two.0);
        assert_ne!(ask("GetTags", json!({"a": 1})).await, two.0);
        assert_eq!(sent.load(Ordering::Relaxed), 3);
        let failure = Error::answered("glue", "GetTable", "Throttling", "", 400, "");
        assert!(answers.of("glue", "GetTable", &json!({}), async { Err(failure) }).await.is_err());
        assert!(answers.of("glue", "GetTable", &json!({}), async { Ok(json!(1)) }).await.is_ok());
    }
}
