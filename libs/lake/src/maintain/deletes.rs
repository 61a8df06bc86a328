//! Which data files have delete files applied to them: those aren't rewritten, so that no deleted row comes back.

use std::collections::HashMap;

use iceberg::spec::{DataContentType, DataFile, PartitionSpec, Struct};

/// The newest sequence numbers of delete files, by what they may apply to.
#[derive(Debug, Default)]
pub(super) struct Deletes {
    of_partition: HashMap<(i32, Struct), Newest>,
    /// Equality deletes of an unpartitioned spec apply to all partitions, and those of one that can't be used may.
    of_all: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Newest {
    position: Option<i64>,
    equality: Option<i64>,
}

impl Deletes {
    /// Takes in a live delete file.
    pub(super) fn add(&mut self, file: &DataFile, spec: &PartitionSpec, partition: Struct, sequence: i64) {
        let equality = file.content_type() == DataContentType::EqualityDeletes;
        if equality && spec.is_unpartitioned() {
            self.of_all = self.of_all.max(Some(sequence));
            return;
        }
        let newest = self.of_partition.entry((spec.spec_id(), partition)).or_default();
        let newest = if equality { &mut newest.equality } else { &mut newest.position };
        *newest = (*newest).max(Some(sequence));
    }

    /// Takes in a live delete file of a partition spec that can't be used any more. Its equality deletes may apply to
    /// all partitions: a spec whose fields are all void partitions by nothing. Others apply to data of its own spec,
    /// which isn't touched either.
    pub(super) fn add_unusable(&mut self, file: &DataFile, sequence: i64) {
        if file.content_type() == DataContentType::EqualityDeletes {
            self.of_all = self.of_all.max(Some(sequence));
        }
    }

    /// Whether one may apply to a data file of this partition and sequence number. Position deletes apply to data of
    /// their own commit as well, equality deletes only to older data.
    /// Source: Iceberg's specification, "Scan Planning".
    pub(super) fn apply_to(&self, key: &(i32, Struct), sequence: i64) -> bool {
        let newest = self.of_partition.get(key).copied().unwrap_or_default();
        newest.position.is_some_and(|delete| delete >= sequence)
            || newest.equality.max(self.of_all).is_some_and(|delete| delete > sequence)
    }
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{DataFileBuilder, DataFileFormat, Literal};

    use super::*;

    fn of(content: DataContentType) -> DataFile {
        DataFileBuilder::default()
            .content(content)
            .file_path("s3://b/d.parquet".to_owned())
            .file_format(DataFileFormat::Parquet)
            .record_count(1)
            .file_size_in_bytes(1)
            .build()
            .unwrap()
    }

    #[test]
    fn deletes_apply_to_older_data_of_their_partition_and_unpartitioned_ones_to_all() {
        let day = |day| (1, Struct::from_iter([Some(Literal::int(day))]));
        let unpartitioned = PartitionSpec::unpartition_spec();
        let schema = iceberg::spec::Schema::builder()
            .with_fields([iceberg::spec::NestedField::required(
                1,
                "d",
                iceberg::spec::Type::Primitive(iceberg::spec::PrimitiveType::Int),
            )
            .into()])
            .build()
            .unwrap();
        let spec = PartitionSpec::builder(schema).with_spec_id(1);
        let spec = spec.add_partition_field("d", "d", iceberg::spec::Transform::Identity).unwrap().build().unwrap();
        let mut deletes = Deletes::default();
        deletes.add(&of(DataContentType::PositionDeletes), &spec, day(1).1, 5);
        deletes.add(&of(DataContentType::EqualityDeletes), &spec, day(2).1, 5);
        let applies = |deletes: &Deletes, of: i32, sequence| deletes.apply_to(&day(of), sequence);
        assert!(applies(&deletes, 1, 4) && applies(&deletes, 1, 5) && !applies(&deletes, 1, 6));
        assert!(applies(&deletes, 2, 4) && !applies(&deletes, 2, 5));
        assert!(!applies(&deletes, 3, 1));
        deletes.add(&of(DataContentType::EqualityDeletes), &unpartitioned, Struct::empty(), 3);
        assert!(applies(&deletes, 3, 2) && !applies(&deletes, 3, 3));
        deletes.add_unusable(&of(DataContentType::PositionDeletes), 9);
        assert!(!applies(&deletes, 3, 3));
        deletes.add_unusable(&of(DataContentType::EqualityDeletes), 9);
        assert!(applies(&deletes, 3, 8) && !applies(&deletes, 3, 9));
    }
}
