"""A Prometheus server in the lab: it scrapes one daemon and answers queries about what it saw.

The package is unpacked, not installed (unpacked.py); data and configuration lie in the lab's state
directory, and the server ends with the scenario.
"""

import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request

import layout
import procs
import unpacked

PACKAGE = "prometheus"
PORT = 9090
SCRAPE_S = 1
API = f"http://127.0.0.1:{PORT}/api/v1/"


def promtool(*arguments, text=""):
    """What promtool says of its arguments and that input; it finding a fault is an error."""
    return procs.run(unpacked.program(PACKAGE, "usr/bin/promtool"), *arguments, input=text)


def api(call, **parameters):
    """The `data` of an answer; Prometheus' own words when it refuses."""
    url = API + call + "?" + urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]
    except urllib.error.HTTPError as error:
        raise procs.LabError(f"{url}: {error.read().decode()}") from error


def _up():
    try:
        return api("query", query="up")["result"]
    except (OSError, procs.LabError):
        return None


def scraped_since(when):
    """Whether a scrape that began after that time is there to be queried."""
    found = api("query", query="timestamp(requiretls_build_info)")["result"]
    return found and float(found[0]["value"][1]) > when


def wait_for_scrapes(count=2):
    """So many whole scrapes from now on."""
    for _ in range(count):
        now = time.time()
        procs.wait_for(lambda: scraped_since(now), "Prometheus to scrape", 60)


@contextlib.contextmanager
def scraping(port, rules=None):
    """A server that scrapes 127.0.0.1:port, with a file of alert rules if one is given; it has
    scraped at least twice when this begins."""
    where = layout.RUN / "prometheus"
    where.mkdir(exist_ok=True)
    file = where / "prometheus.yml"
    file.write_text(f"global: {{scrape_interval: {SCRAPE_S}s, scrape_timeout: {SCRAPE_S}s,"
                    f" evaluation_interval: {SCRAPE_S}s}}\n"
                    f"rule_files: {json.dumps([str(rules)] if rules else [])}\n"
                    "scrape_configs:\n- job_name: requiretls-milter\n"
                    f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n")
    process = procs.start("prometheus", unpacked.program(PACKAGE, "usr/bin/prometheus"),
                          f"--config.file={file}", f"--storage.tsdb.path={where}/data",
                          f"--web.listen-address=127.0.0.1:{PORT}", cwd=where)
    try:
        procs.ready("prometheus", process, _up, 60)
        wait_for_scrapes()
        yield
    finally:
        process.kill()
        process.wait()
