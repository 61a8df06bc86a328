//! What the operations take and give, from Route 53's service model.

use crate::protocol::rest::Route;
use crate::protocol::rest_xml::{Member, Operation, RestXml, Shape};

/// The protocol. Members of requests that the model has and that are not here are refused.
pub(super) static REST_XML: RestXml = RestXml {
    namespace: "https://route53.amazonaws.com/doc/2013-04-01/",
    operations: OPERATIONS,
    malformed: "MalformedInput",
    invalid: "InvalidInput",
};

const OPERATIONS: &[Operation] = &[
    Operation {
        route: Route { method: "POST", path: "/2013-04-01/hostedzone", operation: "CreateHostedZone" },
        body: &[
            Member::needed("Name", Shape::Text),
            Member::maybe("VPC", Shape::Structure(VPC)),
            Member::needed("CallerReference", Shape::Text),
            Member::maybe("HostedZoneConfig", Shape::Structure(CONFIG)),
            Member::maybe("DelegationSetId", Shape::Text),
            Member::absent("EnablePublicDNSFallback"),
            Member::absent("ChangeGuardrails"),
        ],
        status: 201,
        headers: &["Location"],
    },
    Operation::new("GET", "/2013-04-01/hostedzone/{Id}", "GetHostedZone", &[]),
    Operation::new("GET", "/2013-04-01/hostedzone", "ListHostedZones", &[]),
    Operation::new("GET", "/2013-04-01/hostedzonesbyname", "ListHostedZonesByName", &[]),
    Operation::new("GET", "/2013-04-01/hostedzonesbyvpc", "ListHostedZonesByVPC", &[]),
    Operation::new(
        "POST",
        "/2013-04-01/hostedzone/{Id}",
        "UpdateHostedZoneComment",
        &[Member::maybe("Comment", Shape::Text)],
    ),
    Operation::new("POST", "/2013-04-01/hostedzone/{Id}/associatevpc", "AssociateVPCWithHostedZone", ASSOCIATION),
    Operation::new("POST", "/2013-04-01/hostedzone/{Id}/disassociatevpc", "DisassociateVPCFromHostedZone", ASSOCIATION),
    Operation::new("DELETE", "/2013-04-01/hostedzone/{Id}", "DeleteHostedZone", &[]),
    Operation::new(
        "POST",
        "/2013-04-01/hostedzone/{Id}/rrset/",
        "ChangeResourceRecordSets",
        &[Member::needed("ChangeBatch", Shape::Structure(BATCH))],
    ),
    Operation::new("GET", "/2013-04-01/hostedzone/{Id}/rrset", "ListResourceRecordSets", &[]),
    Operation::new("GET", "/2013-04-01/change/{Id}", "GetChange", &[]),
    Operation::new(
        "POST",
        "/2013-04-01/tags/{ResourceType}/{ResourceId}",
        "ChangeTagsForResource",
        &[Member::maybe("AddTags", Shape::List("Tag", TAG)), Member::maybe("RemoveTagKeys", Shape::List("Key", &[]))],
    ),
    Operation::new("GET", "/2013-04-01/tags/{ResourceType}/{ResourceId}", "ListTagsForResource", &[]),
    Operation::new(
        "POST",
        "/2013-04-01/tags/{ResourceType}",
        "ListTagsForResources",
        &[Member::needed("ResourceIds", Shape::List("ResourceId", &[]))],
    ),
];

const VPC: &[Member] = &[Member::maybe("VPCRegion", Shape::Text), Member::maybe("VPCId", Shape::Text)];

const CONFIG: &[Member] = &[
    Member::maybe("Comment", Shape::Text),
    Member::maybe("PrivateZone", Shape::Text),
    Member::absent("HostedZoneTier"),
];

const ASSOCIATION: &[Member] = &[Member::needed("VPC", Shape::Structure(VPC)), Member::maybe("Comment", Shape::Text)];

const TAG: &[Member] = &[Member::maybe("Key", Shape::Text), Member::maybe("Value", Shape::Text)];

const BATCH: &[Member] =
    &[Member::maybe("Comment", Shape::Text), Member::needed("Changes", Shape::List("Change", CHANGE))];

const CHANGE: &[Member] =
    &[Member::needed("Action", Shape::Text), Member::needed("ResourceRecordSet", Shape::Structure(RECORD_SET))];

const RECORD_SET: &[Member] = &[
    Member::needed("Name", Shape::Text),
    Member::needed("Type", Shape::Text),
    Member::absent("SetIdentifier"),
    Member::absent("Weight"),
    Member::absent("Region"),
    Member::absent("GeoLocation"),
    Member::absent("Failover"),
    Member::absent("MultiValueAnswer"),
    Member::maybe("TTL", Shape::Text),
    Member::maybe("ResourceRecords", Shape::List("ResourceRecord", &[Member::needed("Value", Shape::Text)])),
    Member::absent("AliasTarget"),
    Member::absent("HealthCheckId"),
    Member::absent("TrafficPolicyInstanceId"),
    Member::absent("CidrRoutingConfig"),
    Member::absent("GeoProximityLocation"),
    Member::absent("AZAffinity"),
];
