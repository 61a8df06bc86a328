//! Iceberg's file access over the S3 of lakewright-aws.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
    StorageFactory,
};
use iceberg::{Error, ErrorKind, Result};
use lakewright_aws::{Aws, Objects, Put};
use lakewright_config::s3;
use serde::{Deserialize, Serialize};

/// Iceberg's access to `s3://` locations through a connection.
pub fn file_io(aws: &Aws) -> FileIO {
    FileIOBuilder::new(Arc::new(S3Factory { objects: Some(aws.objects()) })).build()
}

/// Makes the storage. Iceberg asks that storages can be serialised; a connection can't, so a copy made that way says
/// that it isn't connected.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct S3Factory {
    #[serde(skip)]
    objects: Option<Objects>,
}

#[typetag::serde(name = "LakewrightS3Factory")]
impl StorageFactory for S3Factory {
    fn build(&self, _: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(S3Storage { objects: self.objects.clone() }))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct S3Storage {
    #[serde(skip)]
    objects: Option<Objects>,
}

impl S3Storage {
    fn objects(&self) -> Result<&Objects> {
        self.objects
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, "this copy of the storage isn't connected"))
    }
}

/// Bucket and key of `s3://bucket/key`.
fn split(path: &str) -> Result<(&str, &str)> {
    s3::object(path)
        .ok_or_else(|| Error::new(ErrorKind::DataInvalid, format!("`{path}` is no s3://BUCKET/KEY location")))
}

fn failed(path: &str, error: lakewright_aws::Error) -> Error {
    let retryable = error.is_retryable();
    let kind = if error.is_not_found() { ErrorKind::DataInvalid } else { ErrorKind::Unexpected };
    Error::new(kind, format!("{path}: {error}")).with_source(error).with_retryable(retryable)
}

#[async_trait]
#[typetag::serde(name = "LakewrightS3")]
impl Storage for S3Storage {
    async fn exists(&self, path: &str) -> Result<bool> {
        let (bucket, key) = split(path)?;
        Ok(self.objects()?.head(bucket, key).await.map_err(|error| failed(path, error))?.is_some())
    }

    async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        let (bucket, key) = split(path)?;
        match self.objects()?.head(bucket, key).await.map_err(|error| failed(path, error))? {
            Some(head) => Ok(FileMetadata { size: head.size }),
            None => Err(Error::new(ErrorKind::DataInvalid, format!("{path} doesn't exist"))),
        }
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        let (bucket, key) = split(path)?;
        Ok(self.objects()?.get(bucket, key, None).await.map_err(|error| failed(path, error))?.body)
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn FileRead>> {
        split(path)?;
        Ok(Box::new(Reader { objects: self.objects()?.clone(), path: path.to_owned() }))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<()> {
        put(self.objects()?, path, bytes).await
    }

    async fn writer(&self, path: &str) -> Result<Box<dyn FileWrite>> {
        split(path)?;
        Ok(Box::new(Writer {
            objects: self.objects()?.clone(),
            path: path.to_owned(),
            held: Vec::new(),
            closed: false,
        }))
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let (bucket, key) = split(path)?;
        self.objects()?.delete(bucket, key).await.map_err(|error| failed(path, error))
    }

    async fn delete_prefix(&self, path: &str) -> Result<()> {
        let (bucket, key) = split(path)?;
        let prefix = format!("{}/", key.trim_end_matches('/'));
        for found in self.objects()?.list(bucket, &prefix).await.map_err(|error| failed(path, error))? {
            self.objects()?.delete(bucket, &found.key).await.map_err(|error| failed(path, error))?;
        }
        Ok(())
    }

    async fn delete_stream(&self, mut paths: BoxStream<'static, String>) -> Result<()> {
        while let Some(path) = paths.next().await {
            self.delete(&path).await?;
        }
        Ok(())
    }

    fn new_input(&self, path: &str) -> Result<InputFile> {
        split(path)?;
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> Result<OutputFile> {
        split(path)?;
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

async fn put(objects: &Objects, path: &str, bytes: Bytes) -> Result<()> {
    let (bucket, key) = split(path)?;
    objects.put(bucket, key, bytes, Put::default()).await.map_err(|error| failed(path, error))?;
    Ok(())
}

struct Reader {
    objects: Objects,
    path: String,
}

#[async_trait]
impl FileRead for Reader {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (bucket, key) = split(&self.path)?;
        Ok(self.objects.get(bucket, key, Some(range)).await.map_err(|error| failed(&self.path, error))?.body)
    }
}

/// Holds what is written and puts it as one object when closed: an object is there whole or not at all.
struct Writer {
    objects: Objects,
    path: String,
    held: Vec<Bytes>,
    closed: bool,
}

#[async_trait]
impl FileWrite for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.held.push(bytes);
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Err(Error::new(ErrorKind::Unexpected, format!("{} was closed twice", self.path)));
        }
        let mut held = std::mem::take(&mut self.held);
        let whole = if held.len() == 1 {
            held.swap_remove(0)
        } else {
            let mut whole = BytesMut::with_capacity(held.iter().map(Bytes::len).sum());
            for part in &held {
                whole.extend_from_slice(part);
            }
            whole.freeze()
        };
        put(&self.objects, &self.path, whole).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_split() {
        assert_eq!(split("s3://b/a/c.parquet").expect("good"), ("b", "a/c.parquet"));
        assert_eq!(split("s3a://b/a").expect("good"), ("b", "a"));
        for wrong in ["file:///a", "s3://", "s3://bucket", "s3:///key"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
