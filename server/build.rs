//! Builds the console's page with Node.js and puts its files into the binary.
//!
//! A server without the page is a whole server: where Node.js is missing, the build fails, or `CONSOLE=off` is in the
//! environment, the binary says so at `/`. Nothing is done again unless the page's sources change, and the network is
//! needed only to install packages, once.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Made by a build, not sources of one.
const MADE: &[&str] = &["node_modules", "dist", "test"];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-env-changed=CONSOLE");
    let page = build(Path::new("console"), Path::new("../client/web"));
    let table = match page.and_then(|dist| embed(&dist, &out.join("console"))) {
        Ok(assets) => format!("static ASSETS: &[Asset] = &[{assets}];\nconst ABSENT: &str = \"\";\n"),
        Err(why) => {
            println!("cargo::warning=the server is built without its console: {why}");
            format!("static ASSETS: &[Asset] = &[];\nconst ABSENT: &str = {why:?};\n")
        }
    };
    fs::write(out.join("console.rs"), table).expect("OUT_DIR can be written to");
}

/// Builds the client library, then the page that stands on it. Where the page's files are, or why there are none.
fn build(console: &Path, client: &Path) -> Result<PathBuf, String> {
    if env::var("CONSOLE").is_ok_and(|value| value == "off") {
        return Err("it was built with CONSOLE=off".into());
    }
    for package in [client, console] {
        watch(package).map_err(|_| format!("the sources in {} are missing", package.display()))?;
    }
    if !runs("node") || !runs("npm") {
        return Err("Node.js with npm was not found when it was built".into());
    }
    for package in [client, console] {
        if !is_installed(package) {
            // Keeps to the lock and leaves it as it is. `ci` would do the same, but refuses a lock that lists the packages
            // of one operating system only.
            npm(package, &["install", "--no-save", "--no-audit", "--no-fund", "--prefer-offline"])?;
        }
        npm(package, &["run", "build"])?;
    }
    Ok(console.join("dist"))
}

/// Has cargo come back when a source changes.
fn watch(package: &Path) -> io::Result<()> {
    let manifest = package.join("package.json");
    // Watched also if it is missing: then it may come.
    println!("cargo::rerun-if-changed={}", manifest.display());
    fs::metadata(manifest)?;
    for entry in fs::read_dir(package)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if !MADE.iter().any(|made| name == *made) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    Ok(())
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Whether the packages were installed after their versions were last written.
fn is_installed(package: &Path) -> bool {
    let time = |path| fs::metadata(package.join(path)).and_then(|file| file.modified()).ok();
    // npm writes the first one when it is done.
    time("node_modules/.package-lock.json").is_some_and(|done| Some(done) >= time("package-lock.json"))
}

fn npm(package: &Path, arguments: &[&str]) -> Result<(), String> {
    let what = format!("`npm {}` in {}", arguments.join(" "), package.display());
    let output = Command::new("npm").args(arguments).current_dir(package).output();
    let output = output.map_err(|error| format!("{what} did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let log = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("npm.log");
    fs::write(&log, [output.stdout, output.stderr].concat()).expect("OUT_DIR can be written to");
    Err(format!("{what} failed; what it said is in {}", log.display()))
}

/// Copies the files to where the compiler will find them, and lists them as Rust.
fn embed(dist: &Path, to: &Path) -> Result<String, String> {
    let failed = |error: io::Error| format!("{} cannot be read: {error}", dist.display());
    let _ = fs::remove_dir_all(to);
    let mut table = String::new();
    for path in files(dist).map_err(failed)? {
        let name = path.strip_prefix(dist).expect("it was found there");
        let copy = to.join(name);
        fs::create_dir_all(copy.parent().expect("it is in a directory")).map_err(failed)?;
        fs::copy(&path, &copy).map_err(failed)?;
        let name = name.to_str().expect("the page's files have plain names").replace('\\', "/");
        table += &format!("Asset {{ path: {name:?}, bytes: include_bytes!({copy:?}) }},\n");
    }
    if dist.join("index.html").exists() {
        Ok(table)
    } else {
        Err(format!("{} has no index.html", dist.display()))
    }
}

/// All files below a directory, in the order of their names.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
