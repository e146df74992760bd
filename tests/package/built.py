"""What is built of the tree in a minimal Debian: the package, and an installation as README says. tests/package/run
calls it."""

import re
import shutil
import subprocess
from pathlib import Path

import chroot
import layout
import procs
from service import check, equal

LIMIT_S = 1800
# The source tree at /src, without what is built, as a checkout is; compiled before, not compiled again.
SOURCE = """
export CCACHE_DIR=/build/ccache
[ -d /src ] || { mkdir /src; tar -C /tree -c '--exclude=./build*' --exclude=./.git . | tar -C /src -x; }
cd /src
"""


def depends(package):
    """The packages that a .deb depends on, of alternatives the first."""
    field = procs.run("dpkg-deb", "--field", package, "Depends")
    return {re.match(r"\s*([a-z0-9.+-]+)", part)[1] for part in field.split(",")}


def snippet(release):
    """The directory of etc/ that is for the Postfix of that release."""
    return "postfix-older" if release in ("bookworm", "trixie") else "postfix-3.11"


def readme(pattern):
    found = re.search(pattern, (layout.TREE / "README").read_text(), re.M)
    check(found, f"README has no {pattern}")
    return found[1]


class Built:
    """One release."""

    def __init__(self, release, where):
        self.where = where
        # One tree for making packages, with more than the other, where meson finds what README has for it.
        self.packager = chroot.builder(release, readme(r"^    etc/install-deps (build deb)$").split())
        self.builder = chroot.builder(release, readme(r"^    etc/install-deps (build)$").split())
        shutil.rmtree(where / "written", ignore_errors=True)

    def run(self, script, root=None):
        root = root or self.builder
        done = chroot.run_in(root, self.where / "written" / root.name, self.where, SOURCE + script, LIMIT_S,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        equal(done.returncode, 0, done.stdout[-2000:])
        return done.stdout

    def package(self):
        found = sorted((self.where / "out").glob("requiretls-milter_*.deb"))
        check(len(found) == 1, f"packages: {found}")
        return found[0]

    # --- the checks

    def make(self):
        shutil.rmtree(self.where / "out", ignore_errors=True)
        readme(r"^    (etc/build-deb /\S+)$")
        self.run("DEB_BUILD_OPTIONS=nocheck etc/build-deb /build/out", self.packager)
        self.package()

    def lintian(self):
        said = self.run("lintian --allow-root --fail-on error,warning --tag-display-limit 0 /build/out/*.changes",
                        self.packager)
        equal([line for line in said.splitlines() if not line.startswith("N:")], [])

    def as_readme_says(self):
        """The line for meson, as it stands; programs run, and all has the right place."""
        self.run(readme(r"^    (meson setup build .*)$"))
        said = self.run("requiretls-query --help && requiretls-milter -h")
        check("/etc/requiretls-milter/requiretls-milter.conf" in said, said)
        self.run("cd /usr/local && ls lib/systemd/system/requiretls-milter.service "
                 "lib/sysusers.d/requiretls-milter.conf lib/tmpfiles.d/requiretls-milter.conf "
                 "share/doc/requiretls-milter/README share/doc/requiretls-milter/examples/postfix-older/main.cf")

    def with_tests(self):
        """They can be built there too, and what needs more than that says so."""
        self.run("meson setup tested && ninja -C tested tests/unit/test_nexthop")
        said = self.run("meson test -C tested --no-rebuild nexthop sts_fetch")
        check(re.search(r"sts_fetch +SKIP", said) and re.search(r"nexthop +OK", said), said)

    def other_paths(self):
        self.run("meson setup other --prefix=/opt/x --sysconfdir=/opt/x/conf -Dtests=false && "
                 "ninja -C other install")
        equal(self.run("find / -xdev -newer /src/other/build.ninja -type f '!' -path '/opt/x/*' '!' -path '/src/*'"
                       " '!' -path '/build/*' '!' -path '/proc/*'"), "")
        conf = "/opt/x/conf/requiretls-milter/requiretls-milter.conf"
        for page, named in (("man8/requiretls-milter.8", conf),
                            ("man8/requiretls-deliver.8", conf.replace("milter.conf", "deliver.conf")),
                            ("man5/requiretls-milter.conf.5", conf), ("man1/requiretls-query.1", conf)):
            text = self.run(f"cat /opt/x/share/man/{page}")
            check(named in text and "/etc/requiretls" not in text, page)
        check(conf in self.run("/opt/x/sbin/requiretls-milter -h"), "-h")
        check("\nExecStart=/opt/x/sbin/requiretls-milter" in
              self.run("cat /opt/x/lib/systemd/system/requiretls-milter.service"), "the unit")


TABLE = (
    ("the package is built on a minimal Debian", Built.make),
    ("lintian is content with it", Built.lintian),
    ("README's Installing builds on a minimal Debian", Built.as_readme_says),
    ("the unit tests build there too", Built.with_tests),
    ("prefix and sysconfdir are honoured", Built.other_paths),
)
