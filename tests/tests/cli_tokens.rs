//! The real programs and tokens: one makes them, one asks for them, and neither tells a secret.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_tests::process::{Home, Output, Process};

const SECRET: &str = "a secret that stands in a file and in no output";

async fn output(mut process: Process) -> (String, Option<i32>) {
    let mut text = String::new();
    while let Some(line) = process.line().await {
        text += &line;
        text += "\n";
    }
    (text, process.ended().await.code())
}

#[tokio::test]
async fn a_token_is_made_shown_and_presented() {
    let home = Home::default();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (secret, other, token_file) = (path("secret"), path("other"), path("token"));
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    std::fs::write(&other, "another secret, which does not fit at all\n").unwrap();
    let made = home.client(&[
        "token",
        "new",
        "--user",
        "ada",
        "--allow",
        "room:*=join,push",
        "--key",
        &secret,
        "--id",
        "t7",
    ]);
    let (token, code) = output(made).await;
    assert_eq!(code, Some(0));
    std::fs::write(&token_file, &token).unwrap();

    let token = token.trim();
    let (shown, code) = output(home.client(&["token", "show", "--key", &secret, token])).await;
    assert_eq!(code, Some(0), "{shown}");
    for part in ["HS256", "ada", "t7", "room:*: join, push", "accepts it"] {
        assert!(shown.contains(part), "{part} {shown}");
    }
    let (shown, code) = output(home.client(&["token", "show", "--json", "--key", &other, token])).await;
    assert_eq!(code, Some(1));
    assert!(
        shown.contains("\"accepted\":false,\"reason\":\"bad_signature\"") && !shown.contains(SECRET),
        "{shown}"
    );

    let twice = ["token", "new", "--allow", "a=join", "--allow", "a=push", "--key", &secret];
    let (made, code) = output(home.client(&twice)).await;
    assert_eq!((&*made, code), ("", Some(2)));

    let server = home.serve(&["--set", &format!("auth.secret={SECRET}")]).await;
    let mut without = home.client(&["pub", "room:1", "hello"]);
    assert_eq!(without.ended().await.code(), Some(4));
    let mut with = home.client(&["--token-file", &token_file, "pub", "room:1", "hello"]);
    assert_eq!(with.ended().await.code(), Some(0));
    let mut elsewhere = home.client(&["--token-file", &token_file, "pub", "hall", "hello"]);
    assert_eq!(elsewhere.ended().await.code(), Some(4));
    drop(server);
}

#[tokio::test]
async fn check_tells_all_that_is_wrong_with_the_keys() {
    let home = Home::default();
    let file = home.path().join("wrong").display().to_string();
    std::fs::write(&file, SECRET).unwrap();
    let (key, jwks) = (format!("auth.public_key={file}"), format!("auth.jwks={file}"));
    let arguments = ["--check", "--set", &key, "--set", &jwks];
    let (told, code) = output(Process::start("dunlin-server", &arguments, &home, Output::Stderr)).await;
    assert_eq!(code, Some(78));
    assert!(
        told.contains("auth.public_key: ") && told.contains("auth.jwks: ") && !told.contains(SECRET),
        "{told}"
    );
    let arguments = ["--check", "--listen", "0.0.0.0:4433"];
    let (told, code) = output(Process::start("dunlin-server", &arguments, &home, Output::Stderr)).await;
    assert_eq!(code, Some(78));
    assert!(told.contains("auth.mode = \"off\""), "{told}");
}
