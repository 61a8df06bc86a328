//! `[agents.shipper.sources.NAME]`: log files and the journal of the shipper's hosts.

use lakewright_config::agents::shipper;
use lakewright_config::agents::shipper::sources::{
    FilesConfig, Framing, JournalConfig, LocalSource, Origin, quiet_ms, time_field,
};

use super::declare::{choice, section};
use super::decode::{At, Named};
use super::fields::{self, FieldType};
use super::units::{Period, Size};
use super::values::Whole;

section! {
    /// Log files or the systemd journal of each host that runs the shipper. Records go to indices `INDEX-NAME-YYYY.MM.DD` of the
    /// search cluster and to the backup.
    SourceSection {
        /// What is read.
        r#type: At<SourceType>,
        /// With `type = "files"`: absolute paths, with `*`, `?`, `[…]`, and `**` for folders. Let them name rotated files too, as in
        /// `"/var/log/nginx/access.log*"`: what a rotation takes out of sight before it was read is lost.
        paths: Vec<At<String>> = Vec::new(),
        /// Of those, the ones that are left out.
        exclude: Vec<At<String>> = Vec::new(),
        /// A regular expression: a line that it fits begins a record, and all others belong to the one before. Default: each line is
        /// a record.
        begins: Option<At<String>> = None,
        /// Whether lines that begin with a space or a tab, and blank ones, belong to the record before, as in most stack traces.
        indented: At<bool> = At::given(false),
        /// After how long without growth a record of several lines ends.
        quiet: At<Period> = At::given(Period(quiet_ms())),
        /// With `type = "journal"`: the units, `"sshd.service"`, with `*` and `?`. Default: all.
        units: Vec<At<String>> = Vec::new(),
        /// The member of a record that holds its time, RFC 3339. A line that is no JSON object becomes `{"TIME_FIELD": …, "message": …}`
        /// with the time that it begins with; an entry of the journal gets its own.
        time_field: At<String> = At::given(time_field()),
        /// A longer record goes in pieces to the dead letters' file on the host and to the backup, and not to the index.
        max_record: At<Size> = At::given(Size(shipper::max_record())),
        /// The types of members of its records in the index, by name or by path: `status = "long"`, `"user.id" = "keyword"`. Those of
        /// `[agents.shipper]` are the topics'.
        fields: Named<At<FieldType>> = Named(Vec::new()),
        /// How many days an index of a day is kept after it was made. Default: that of `[agents.shipper]`.
        keep_days: Option<At<Whole<1, 36_500>>> = None,
    }
}

choice! {
    /// What a source reads.
    SourceType {
        /// Files by their paths, whichever way they are rotated.
        Files = "files",
        /// The systemd journal, through `journalctl`.
        Journal = "journal",
    }
}

impl SourceSection {
    /// The source as the agent is configured with it; `keep_days` is that of the shipper.
    pub fn configured(&self, keep_days: Option<u32>) -> LocalSource {
        let texts = |list: &[At<String>]| list.iter().map(|text| text.value.clone()).collect();
        let from = match self.r#type.value {
            SourceType::Files => Origin::Files(FilesConfig {
                paths: texts(&self.paths),
                exclude: texts(&self.exclude),
                framing: match &self.begins {
                    Some(pattern) => Framing::Begins(pattern.value.clone()),
                    None if self.indented.value => Framing::Indented,
                    None => Framing::Lines,
                },
                quiet_ms: self.quiet.0,
            }),
            SourceType::Journal => Origin::Journal(JournalConfig { units: texts(&self.units) }),
        };
        LocalSource {
            from,
            time_field: self.time_field.value.clone(),
            max_record: self.max_record.0,
            fields: fields::configured(&self.fields),
            keep_days: self.keep_days.as_ref().map(|days| days.0 as u32).or(keep_days),
        }
    }
}
