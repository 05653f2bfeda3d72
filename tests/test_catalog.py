"""The list, the facts and the check of data sets that the command line shows."""

from pathlib import Path

import photos
import pytest

from facelab.datasets import catalog, cifar_batches, load
from facelab.datasets.cache import DamagedCacheWarning
from facelab.datasets.sources import all_sources, get_source
from facelab.errors import BadParameterError, DataMissingError
from facelab.paths import project_data


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path / "data"))
    photos.people(tmp_path / "data" / "gtav", ann=2, bob=1)
    return tmp_path / "data"


def test_the_sources_page_agrees_with_the_code():
    text = project_data("SOURCES.md").read_text(encoding="utf-8")
    assert text == catalog.sources_page(), "run: python -m facelab.datasets.catalog"


def test_every_source_states_its_terms_and_what_to_cite():
    names = {source.name for source in all_sources()}
    wanted = {
        "orl",
        "orl-wild",
        "lfw",
        "utkface",
        "celeba",
        "ffhq",
        "gtav",
        "casia-webface",
        "vggface2",
        "cifar10",
        "cifar100",
    }
    assert wanted <= names
    for source in all_sources():
        assert (
            min(map(len, (source.license, source.citation, source.instructions, source.layout, source.facts))) > 20
        ), source.name


def test_the_list_shows_what_is_there_with_its_size(data):
    (data / "gtav" / "ann" / "notes.txt").write_text("not counted")
    entries = {entry.name: entry for entry in catalog.list_sources()}
    gtav = entries["gtav"]
    assert gtav.is_present and gtav.path == data / "gtav" and gtav.images == 3
    assert gtav.bytes == sum(path.stat().st_size for path in data.rglob("*.png"))
    assert entries["orl"].images == 400
    assert not entries["lfw"].is_present and entries["lfw"].images == 0 and entries["lfw"].license


def test_the_list_survives_a_damaged_set(data):
    (data / "celeba" / "img_align_celeba").mkdir(parents=True)
    entry = next(entry for entry in catalog.list_sources() if entry.name == "celeba")
    assert entry.is_present and "list_attr_celeba.txt" in entry.problem


def test_info_says_where_it_is_or_would_be(data):
    assert catalog.info("gtav")["On this machine"] == str(data / "gtav")
    assert str(data) in catalog.info("lfw")["On this machine"]
    assert "facelab data fetch lfw" in catalog.info("lfw")["How to get it"]
    with pytest.raises(BadParameterError):
        catalog.info("no such set")


def test_a_check_names_every_rejected_file_and_every_difference(data):
    for bad in ("ann/empty.png", "bob/other.png"):
        (data / "gtav" / bad).touch()
    report = catalog.check("gtav", 16)
    assert [file for file, _ in report.rejected_files] == ["ann/empty.png", "bob/other.png"]
    assert (report.images, report.people, report.unknown_images) == (3, 2, 0)
    assert report.differences == ("2 people, published are 44",) and not report.ok


def test_a_check_finds_a_flipped_bit_in_the_cache(data):
    faces = load("gtav", 16)
    sha256 = faces.sha256
    path = Path(faces.images.filename)
    del faces
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.warns(DamagedCacheWarning, match="gtav was damaged"):
        report = catalog.check("gtav", 16)
    assert report.sha256 == sha256 and load("gtav", 16).images[0].any()


def test_a_whole_set_passes_its_check():
    report = catalog.check("orl", 32)
    assert report.ok and report.images == 400 and report.people == 40 and report.sha256 == load("orl", 32).sha256


def test_fetch_leaves_alone_what_is_there_and_refuses_what_must_be_asked_for(data):
    assert catalog.fetch("gtav") == data / "gtav"
    with pytest.raises(DataMissingError, match="celeba.*mmlab"):
        catalog.fetch("celeba")


def test_fetch_of_lfw_offline_is_one_line(data, monkeypatch):
    def offline(**_):
        raise OSError("Name or service not known")

    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", offline)
    with pytest.raises(DataMissingError, match="LFW cannot be downloaded.*not known.*By hand") as error:
        catalog.fetch("lfw")
    assert "\n" not in str(error.value)


def test_what_scikit_learn_downloads_is_found(data, monkeypatch):
    def downloaded(data_home, **_):
        for person in ("Ann_B", "Cem_D"):
            photos.write(
                Path(data_home) / "lfw_home" / "lfw_funneled" / person / f"{person}_0001.jpg", height=250, width=250
            )

    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", downloaded)
    assert catalog.fetch("lfw") == get_source("lfw").locate() == data / "lfw_home"
    assert load("lfw", 16).names == ("Ann_B", "Cem_D")


@pytest.mark.parametrize(("name", "layout"), [("cifar10", cifar_batches.CIFAR10), ("cifar100", cifar_batches.CIFAR100)])
def test_the_names_of_the_batches_are_torchvisions(name, layout, data, monkeypatch):
    import torchvision.datasets

    theirs = getattr(torchvision.datasets, layout.torchvision_class)
    assert layout.folder == theirs.base_folder
    assert list(layout.files) == [file for file, _ in theirs.train_list + theirs.test_list]
    assert (layout.meta, layout.labels[1]) == (theirs.meta["filename"], theirs.meta["key"])

    def offline(*_, **__):
        raise RuntimeError("Error downloading")

    monkeypatch.setattr(torchvision.datasets, layout.torchvision_class, offline)
    with pytest.raises(DataMissingError, match=f"{layout.torchvision_class} cannot be downloaded"):
        catalog.fetch(name)


def test_every_published_count_is_of_what_is_counted():
    for source in all_sources():
        assert set(source.published_counts) <= {"images", "people"}, source.name
        assert all(str(count) in source.facts.replace(",", "") for count in source.published_counts.values()), (
            source.name
        )
