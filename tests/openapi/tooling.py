"""The document is lint-clean, and a typed client generated from it compiles and works.
usage: tooling.py SERVER OPENAPI.json FOLDER

Installs the tools that package-lock.json names into FOLDER (once: until the lock changes)."""
import filecmp, os, shutil, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from http_client import SECRET, Server, token

SERVER, DOCUMENT, FOLDER = map(os.path.abspath, sys.argv[1:4])
FILES = (".npmrc", "package.json", "package-lock.json", "redocly.yaml", "smoke.ts")
TSC = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--target", "es2022", "--module",
       "nodenext", "--moduleResolution", "nodenext", "--skipLibCheck", "--types", "node", "smoke.ts"]


def run(*command):
    done = subprocess.run(command, cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}")


def install():
    lock, installed = os.path.join(HERE, "package-lock.json"), os.path.join(FOLDER, "installed-lock.json")
    os.makedirs(FOLDER, exist_ok=True)
    for name in FILES:
        shutil.copyfile(os.path.join(HERE, name), os.path.join(FOLDER, name))
    if not (os.path.exists(installed) and filecmp.cmp(lock, installed, shallow=False)):
        run("npm", "ci", "--ignore-scripts", "--no-progress", "--no-fund", "--no-audit")
        shutil.copyfile(lock, installed)


def tool(name):
    return os.path.join(FOLDER, "node_modules", ".bin", name)


def main():
    install()
    environment = {"REDOCLY_TELEMETRY": "off", "CI": "true"}
    os.environ.update(environment)
    run(tool("redocly"), "lint", "--config", "redocly.yaml", DOCUMENT)
    run(tool("openapi-typescript"), DOCUMENT, "-o", os.path.join(FOLDER, "api.ts"))
    run(tool("tsc"), *TSC)
    with Server(SERVER, "secret=" + SECRET) as server:
        run("node", "smoke.js", f"http://127.0.0.1:{server.port}", token())
    print("lint clean; the typed client works")


if __name__ == "__main__":
    main()
