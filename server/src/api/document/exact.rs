//! What derived schemas leave open, and the code does not.

use utoipa::{
    Modify,
    openapi::{
        OneOfBuilder, OpenApi, Ref, RefOr,
        schema::{AdditionalProperties, Object, Schema},
    },
};

/// Says so in the document.
pub(super) struct Exact;

impl Modify for Exact {
    fn modify(&self, document: &mut OpenApi) {
        let schemas = &mut document.components.get_or_insert_default().schemas;
        // A revocation names one thing, and nothing else.
        if let Some(RefOr::T(Schema::OneOf(one))) = schemas.get_mut("Revocation") {
            for item in &mut one.items {
                if let RefOr::T(Schema::Object(object)) = item {
                    object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
                }
            }
        }
        let Some(RefOr::T(Schema::Object(event))) = schemas.get("NewEvent").cloned() else { return };
        // A message for clients has no key.
        let mut message = event.clone();
        message.properties.remove("key");
        schemas.insert("NewMessage".into(), payload(&message));
        schemas.insert("NewEvent".into(), payload(&event));
        if let Some(RefOr::T(Schema::Object(direct))) = schemas.get_mut("Direct") {
            direct.properties.insert("event".into(), Ref::from_schema_name("NewMessage").into());
        }
    }
}

/// The same with `data`, or with `binary`, and not with both.
fn payload(event: &Object) -> RefOr<Schema> {
    let without = |field: &str| {
        let mut event = event.clone();
        event.properties.remove(field);
        event
    };
    let mut binary = without("data");
    binary.required.push("binary".into());
    let either = OneOfBuilder::new().item(without("binary")).item(binary);
    Schema::OneOf(either.description(event.description.clone()).build()).into()
}
