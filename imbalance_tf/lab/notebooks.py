"""The papermill runner: the notebooks executed in order, and what they leave."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
import papermill
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError

import imbalance_tf
from imbalance_tf.cohort.disk import refuse_unwritable, room_for, set_aside, write_whole

from .exercises import Kind, built
from .pages import write_page, write_start_page

__all__ = [
    "NotebookError",
    "chosen_notebooks",
    "execute_notebook",
    "notebook_paths",
    "write_notebooks",
]

ON_THE_PAPER = 5  # of the notebooks, the first; the others go beyond it

SIZE = 5_000_000  # bytes that an executed notebook, its page and its figures take, about


class NotebookError(RuntimeError):
    """A cell of a notebook failed; the message says which, and where the notebook is kept."""


def notebook_paths() -> list[Path]:
    """The notebooks of the lab in order, from the installed package or from beside its source."""
    package = Path(imbalance_tf.__file__).parent
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if paths := sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            return paths
    raise FileNotFoundError(f"no notebooks in {package / '_notebooks'}; install the package again")


def chosen_notebooks(names: Sequence[str] = (), *, every: bool = False) -> list[Path]:
    """The notebooks of these names or numbers; without any, those on the paper, or every one.

    Raises
    ------
    ValueError
        If there is no such notebook, or every one is asked for beside some.

    Examples
    --------
    >>> [path.stem for path in chosen_notebooks(["4", "01_data_exploration"])]
    ['04_hard_example_mining', '01_data_exploration']
    >>> len(chosen_notebooks())
    5
    """
    paths = notebook_paths()
    if not names:
        return paths if every else paths[:ON_THE_PAPER]
    if every:
        raise ValueError(f"--all, and notebook {', '.join(names)}; give either")
    known = {path.stem: path for path in paths} | {str(int(path.stem[:2])): path for path in paths}
    chosen = [known.get(name) or known.get(name.lstrip("0")) for name in names]
    if unknown := [name for name, path in zip(names, chosen, strict=True) if path is None]:
        raise ValueError(
            f"notebook {', '.join(unknown)}; a number or one of "
            f"{', '.join(path.stem for path in paths)} is expected"
        )
    return [path for path in chosen if path]


def write_notebooks(folder: Path, kind: Kind = "student") -> list[Path]:
    """Write the notebooks into a folder: to work through them, with solutions, or for a teacher.

    Raises
    ------
    FileExistsError
        If one of them is there already; then nothing is written.
    """
    refuse_unwritable(folder.absolute(), "name another for the notebooks")
    texts = {folder / path.name: _text(path, kind) for path in notebook_paths()}
    if there := [target.name for target in texts if target.exists()]:
        raise FileExistsError(
            f"{folder} already has {', '.join(there)}; choose another folder, or move them away"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for target, text in texts.items():
        write_whole(target, text)
    return list(texts)


def _text(source: Path, kind: Kind) -> str:
    return nbformat.writes(built(source, kind)) + "\n"


def execute_notebook(source: Path, out: Path, parameters: Mapping[str, object]) -> Path:
    """Execute one notebook with papermill, and print what it prints as it goes.

    Exercises are executed with their solutions. Leaves ``<out>/notebooks/<name>.ipynb``, its page
    and figures (`write_page`), and the start page. An earlier notebook that a person has edited
    since is kept as ``<name>.edited-<number>.ipynb``.

    Raises
    ------
    ValueError
        If the notebook has no such parameter. (Papermill would only warn.)
    NotebookError
        If a cell fails, or no kernel starts. The notebook is kept as far as it was executed.
    """
    known = papermill.inspect_notebook(_as_path(source))
    if unknown := sorted(set(parameters) - set(known)):
        raise ValueError(
            f"{source.name} has no parameter {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(known)}"
        )
    executed = out / "notebooks" / source.name
    executed.parent.mkdir(parents=True, exist_ok=True)
    # Papermill writes it again after every cell; it gets its name at the end.
    running = executed.with_name(f".{source.stem}.partial.ipynb")
    running.unlink(missing_ok=True)
    solved = executed.with_name(f".{source.stem}.solved.ipynb")
    logging.getLogger("papermill").setLevel(logging.WARNING)
    try:
        with room_for(out, f"{source.name} with its page and figures", SIZE):
            write_whole(solved, _text(source, "solutions"))
            papermill.execute_notebook(
                _as_path(solved),
                _as_path(running),
                parameters=dict(parameters),
                kernel_name="python3",
                kernel_manager_class=_ThisPython,
                cwd=str(out),
                progress_bar=sys.stderr.isatty(),
                stdout_file=sys.stdout,
                extra_arguments=[
                    # Else the kernel's warning that it uses TCP would precede every notebook, and
                    # its traceback follow whenever the command is stopped.
                    "--IPKernelApp.log_level=50",
                    # Whatever a person's own notebooks show figures as, the pages need these.
                    "--InlineBackend.figure_formats={'png'}",
                ],
                iopub_timeout=120,  # the default of 4 s is too short for a busy machine
            )
    except papermill.PapermillExecutionError as error:
        raise NotebookError(
            f"{source.name} failed in cell [{error.exec_count}]: {error.ename}: {error.evalue}\n"
            f"The notebook as far as it came: {executed}"
        ) from error
    except DeadKernelError as error:
        raise NotebookError(
            f"{source.name}: the kernel died (out of memory?). Start again, and the training goes "
            f"on from its last finished epoch.\nThe notebook as far as it came: {executed}"
        ) from error
    except RuntimeError as error:  # it never came alive
        raise NotebookError(
            f"{source.name}: no kernel could be started ({error}). What this says tells why: "
            f"{sys.executable} -m ipykernel_launcher. IPYTHONDIR and JUPYTER_RUNTIME_DIR, if they "
            f"are set, have to be folders that can be written"
        ) from error
    except BaseException:  # stopped
        if executed.exists():  # a finished one is worth more than a part of the same
            running.unlink(missing_ok=True)
        raise
    finally:
        solved.unlink(missing_ok=True)
        if _is_whole(running):
            _keep_edited(executed, out)
            # The page first: where a notebook is, its own page is, even if this is killed.
            write_page(running, executed.stem, out)
            running.replace(executed)
            write_start_page(out)
    return executed


def _is_whole(running: Path) -> bool:
    """Whether papermill has written it, and to the end: not if the disk was full."""
    try:
        nbformat.read(running, as_version=4)
    except (OSError, ValueError):
        return False
    return True


def _as_path(path: Path) -> str:
    """A path in which papermill finds no braces to fill in."""
    return str(path).replace("{", "{{").replace("}", "}}")


class _ThisPython(AsyncKernelManager):
    """Starts the kernel with this interpreter, in which the package is, whatever else a person has
    installed as ``python3``."""

    @property
    def kernel_spec(self) -> KernelSpec:
        spec = KernelSpec(**get_kernel_dict())
        spec.env = {**spec.env, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        return spec


def _keep_edited(executed: Path, out: Path) -> None:
    """Set aside a notebook that was saved after its page was written, so by a person."""
    page = out / "html" / f"{executed.stem}.html"
    if executed.exists() and page.exists() and executed.stat().st_mtime > page.stat().st_mtime:
        set_aside(executed, f"{executed.stem}.edited-", executed.suffix)
