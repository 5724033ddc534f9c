"""The command ``weir`` as a whole: its help, wrong usage, exit codes, and what shells complete."""

from __future__ import annotations

import pytest

from weir.cli.main import _COMMANDS, run_command


@pytest.fixture
def complete(capsys, monkeypatch):
    """What a shell is told for a line; the last word is the incomplete one."""

    def answer(*words: str, shell: str = "bash") -> list[str]:
        monkeypatch.setenv("_WEIR_COMPLETE", f"{shell}_complete")
        line = " ".join(("weir", *words))
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words)))
        with pytest.raises(SystemExit) as ended:
            run_command([])
        assert ended.value.code == 0
        return capsys.readouterr().out.splitlines()

    return answer


def test_help_lists_every_command_and_the_exit_codes(weir):
    code, out, err = weir("--help")
    assert (code, err) == (0, "")
    names = [line.split()[0] for line in out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]
    assert names == sorted(_COMMANDS)
    assert "0 good, 1 failed job or refused, 2 wrong usage, 130 interrupted" in " ".join(out.split())


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_each_command_has_help_and_its_line_is_a_sentence(weir, command):
    code, out, err = weir(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: weir {command} ")
    assert _COMMANDS[command][1].endswith(".")


def test_a_mistyped_command_is_wrong_usage_and_names_the_nearest(weir):
    code, out, err = weir("inspct", "x")
    assert (code, out) == (2, "")
    assert "no such command 'inspct'; did you mean inspect?" in err


@pytest.mark.parametrize(
    "line",
    ["inspect", "plan", "inspect x -o yaml", "inspect x --records 0", "completion tcsh", "doctor nothing"],
)
def test_wrong_usage_ends_with_two_and_says_nothing_on_stdout(weir, line):
    code, out, err = weir(*line.split())
    assert (code, out) == (2, "")
    assert err.startswith("Usage: weir")


@pytest.mark.parametrize(
    "address", ["nope", ":6123", "host:", "host:x", "host:0", "host:99999", "http://host:1", "::1:6123"]
)
def test_a_taskmanager_is_told_where_its_jobmanager_is(weir, address):
    code, out, err = weir("serve", "taskmanager", "--jobmanager", address)
    assert (code, out) == (2, "")
    assert f"{address!r} is not HOST:PORT, such as 127.0.0.1:6123" in err


@pytest.mark.parametrize("address", ["flights-1-jm:6123", "127.0.0.1:1", "[::1]:6123", "jm.shop.svc:65535"])
def test_a_taskmanager_has_a_slot_at_least(weir, address):
    code, _, err = weir("serve", "taskmanager", "--jobmanager", address, "--slots", "0")
    assert code == 2
    assert "Invalid value for '--slots': 0 is not in the range x>=1" in err


def test_an_interrupt_ends_with_130(weir, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("weir.cli.inspecting.look_at", interrupted)
    code, out, err = weir("inspect", "x")
    assert (code, out, err.strip()) == (130, "", "weir: interrupted")


# ---- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_calls_weir(weir, shell):
    code, out, err = weir("completion", shell)
    assert (code, err) == (0, "")
    assert f"_WEIR_COMPLETE={shell}_complete" in out


def test_commands_are_completed_by_their_beginning(complete):
    assert complete("ins") == ["plain,inspect"]
    assert complete("co") == ["plain,completion", "plain,config"]


def test_zsh_and_fish_get_the_line_of_help_too(complete):
    help_line = _COMMANDS["inspect"][1]
    assert complete("ins", shell="zsh") == ["plain", "inspect", help_line]
    assert complete("ins", shell="fish") == [f"plain,inspect\t{help_line}"]


def test_options_choices_paths_and_keys_are_completed(complete):
    assert "plain,--records" in complete("inspect", "--")
    assert complete("inspect", "x", "-o", "j") == ["plain,json"]
    assert complete("inspect", "sav") == ["file,sav"]
    assert complete("run", "job") == ["file,job"]
    assert complete("config", "explain", "heartbeat.") == [
        "plain,heartbeat.interval",
        "plain,heartbeat.timeout",
    ]
