import subprocess
import sys


def test_importing_the_backend_and_the_command_line_does_not_load_torch():
    code = (
        "import sys, backend.app, backend.cli, backend.catalogue; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
