//! The API as an OpenAPI document, made from the code, and a viewer of it.

mod exact;

use super::{history, node, presence, problem::Problem, publish, sessions, token, topics, users};
use axum::Router;
use exact::Exact;
use std::collections::BTreeMap;
use utoipa::{
    IntoResponses, Modify, OpenApi,
    openapi::{
        Ref, RefOr, Response, ResponseBuilder,
        content::ContentBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::SwaggerUi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Dunlin backend API",
        description = "Publish, read history and presence, and act on sessions, from any language. Bodies are JSON or MessagePack, \
                       as `Content-Type` and `Accept` say. Payloads are MessagePack for clients: `data` is converted, `binary` is not.",
        license(name = "Apache-2.0"),
    ),
    paths(
        publish::one, publish::batch, history::read, presence::read, topics::list, topics::one, sessions::list, sessions::one,
        sessions::disconnect, sessions::unsubscribe, sessions::push, users::push, users::disconnect, users::unsubscribe,
        token::revoke, token::refresh, node::read,
    ),
    components(schemas(Problem)),
    security((), ("key" = [])),
    modifiers(&Keys, &Exact),
)]
struct Document;

/// How callers say who they are.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "A key of the server's configuration, [api.key.NAME]. None is needed on this machine in development mode.",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme.build()));
    }
}

/// The ways in which any request may be refused.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let response = ResponseBuilder::new().description(description);
            RefOr::T(response.content("application/problem+json", content).build())
        };
        [
            ("400", "The request says something that is not legal"),
            ("401", "A key is needed, and this is none"),
            ("403", "The key is not for this, or it is not done here"),
            ("404", "There is no such thing"),
            ("405", "This is not done here; `Allow` says what is"),
            ("408", "The request took too long"),
            ("409", "There is no room: for the event in the topic's log, or for the message at the client"),
            ("413", "The payload or the request is too large"),
            ("415", "The body is neither JSON nor MessagePack, or does not say so"),
            ("429", "Too many wrong keys in a short time; `Retry-After` says when to try again"),
            ("503", "Something the server depends on does not answer, or there are too many topics"),
        ]
        .into_iter()
        .map(|(status, description)| (status.to_owned(), problem(description)))
        .collect()
    }
}

/// The document at `/v1/openapi.json`, the viewer at `/v1/docs`.
pub(super) fn router() -> Router {
    SwaggerUi::new("/v1/docs").url("/v1/openapi.json", Document::openapi()).into()
}
