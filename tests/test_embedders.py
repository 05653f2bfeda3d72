"""Embedders by name: SFace as OpenCV's own alignment and the wheel's file make it, and methods that were trained here."""

import hashlib
import threading

import cv2
import numpy as np
import pytest
import torch
from tiny import AUGMENTATION

from facelab.augment import as_batch
from facelab.backbones import backbone
from facelab.cropping import Face, HaarDetector, YuNetDetector, align, model_file
from facelab.cropping.survey import uncropped_orl
from facelab.errors import BadParameterError, FacelabError
from facelab.exchange.embedders import new_embedder
from facelab.exchange.model_folder import export_model
from facelab.methods import new_method, save_method


@pytest.fixture(scope="module")
def found():
    photographs = uncropped_orl()[0]
    images = [np.repeat(photographs[row][:, :, None], 3, axis=2) for row in (0, 8, 10)]  # two of s1, one of s2
    return [(image, YuNetDetector().detect(image)[0]) for image in images]


def stored(path, channels):
    torch.manual_seed(0)
    method = new_method("supcon", backbone("resnet10", channels, width=8), AUGMENTATION, {}, 3)
    save_method(method, path, size=48, classes=3)
    return method.eval()


def test_sface_agrees_with_opencvs_own_alignment(found):
    """Independent: OpenCV aligns by its own code from the same landmarks. It samples otherwise, so not to the bit."""
    embedder = new_embedder("sface")
    network = cv2.FaceRecognizerSF.create(str(model_file("sface")), "")
    for image, face in found:
        # what lies outside a photograph is black there and its outermost pixels here; so nothing of the crop is outside
        image = np.pad(image, [(60, 60), (60, 60), (0, 0)], mode="edge")
        face = Face(face.box, face.score, face.landmarks + 60)
        row = np.concatenate([face.box, face.landmarks.ravel(), [face.score]]).astype(np.float32)
        theirs = network.feature(network.alignCrop(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), row[None]))[0]
        ours = embedder.embed(image, face)
        assert ours.dtype == np.float32 and ours.shape == (embedder.dimension,) == (128,)
        assert abs(np.linalg.norm(ours) - 1) < 1e-6
        assert ours @ theirs / np.linalg.norm(theirs) > 0.95
    first, second, other = (embedder.embed(*pair) for pair in found)
    assert first @ second > first @ other + 0.3


def test_a_file_of_weights_alone_is_sent_to_its_folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(FacelabError, match=r"without what builds their network. Give the folder of facelab export"):
        new_embedder(str(tmp_path / "model.safetensors"))


def test_the_order_of_the_colours_matters_and_grey_is_three_equal_ones(found):
    embedder, (image, face) = new_embedder(), found[0]
    assert np.array_equal(embedder.embed(image[:, :, :1], face), embedder.embed(image, face))
    tinted = (image * [1.0, 0.6, 0.3]).astype(np.uint8)
    crop = align(tinted, face.landmarks, 112, template="arcface")
    network = cv2.FaceRecognizerSF.create(str(model_file("sface")), "")
    right, wrong = network.feature(crop[:, :, ::-1].copy())[0].copy(), network.feature(crop)[0].copy()
    ours = embedder.embed(tinted, face)
    assert np.allclose(ours, right / np.linalg.norm(right), atol=1e-6)
    assert not np.allclose(ours, wrong / np.linalg.norm(wrong), atol=1e-2)


def test_threads_do_not_mix_their_faces(found):
    embedder = new_embedder()
    alone = [embedder.embed(*pair) for pair in found]
    wrong = []

    def work(number):
        for _ in range(2):
            if not np.array_equal(embedder.embed(*found[number]), alone[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("channels", [1, 3])
def test_a_method_of_ours_embeds_the_crop_that_it_learned_from(tmp_path, found, channels):
    method = stored(tmp_path / "method.pt", channels)
    embedder = new_embedder(str(tmp_path / "method.pt"))
    image, face = found[0]
    crop = align(image, face.landmarks, 48)
    with torch.no_grad():
        expected = method.embed(method.augmentation.preprocess(as_batch(crop[None, :, :, :channels])))[0].numpy()
    ours = embedder.embed(image, face)
    assert ours.shape == (embedder.dimension,)
    assert np.allclose(ours, expected / np.linalg.norm(expected), atol=1e-5)
    assert np.allclose(embedder.embed(image[:, :, :1], face), ours, atol=1e-5)
    assert embedder.fingerprint == hashlib.sha256((tmp_path / "method.pt").read_bytes()).hexdigest()


def test_a_fingerprint_is_of_the_file(tmp_path):
    assert new_embedder().fingerprint == hashlib.sha256(model_file("sface").read_bytes()).hexdigest()
    for seed, name in enumerate(("a.pt", "b.pt")):
        torch.manual_seed(seed)
        method = new_method("supcon", backbone("resnet10", 1, width=8), AUGMENTATION, {}, 3)
        save_method(method, tmp_path / name, size=48, classes=3)
    assert new_embedder(str(tmp_path / "a.pt")).fingerprint != new_embedder(str(tmp_path / "b.pt")).fingerprint


def test_what_cannot_be_embedded_is_one_clear_error(tmp_path, found):
    image = found[0][0]
    face = HaarDetector(padding=0.3, upscale=3).detect(image)[0]
    with pytest.raises(BadParameterError, match="no landmarks"):
        new_embedder().embed(image, face)
    with pytest.raises(FacelabError, match="There is no embedder"):
        new_embedder(str(tmp_path / "nothing.pt"))
    with pytest.raises(FacelabError, match="There is no embedder SFase. Did you mean 'sface'?"):
        new_embedder("SFase")
    stored(tmp_path / "method.pt", 1)
    embedder = new_embedder(str(tmp_path / "method.pt"))
    for parameter in embedder._method.parameters():
        torch.nn.init.zeros_(parameter)
    with pytest.raises(BadParameterError, match="no direction"):
        embedder.embed(*found[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_method_its_folder_and_its_onnx_file_are_one_embedder(tmp_path, channels):
    stored(tmp_path / "run" / "method.pt", channels)
    export_model(tmp_path / "run" / "method.pt", tmp_path / "out")
    crops = np.random.default_rng(0).integers(0, 256, (5, 60, 60, 3), dtype=np.uint8)
    first, *others = (new_embedder(str(tmp_path / name)) for name in ("run/method.pt", "out", "out/model.onnx"))
    for other in others:
        assert (other.side, other.crop, other.dimension) == (first.side, first.crop, first.dimension)
        np.testing.assert_allclose(other.embed_crops(crops), first.embed_crops(crops), atol=1e-5)
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 3


@pytest.mark.parametrize(
    "crops", [np.zeros((1, 8, 9, 3), np.uint8), np.zeros((1, 8, 8, 4), np.uint8), np.zeros((1, 8, 8, 3))]
)
def test_crops_of_another_form_are_refused(crops):
    with pytest.raises(BadParameterError, match="The crops are"):
        new_embedder().embed_crops(crops)


def test_crops_are_what_a_detected_face_is_cut_to(found):
    embedder, (image, face) = new_embedder(), found[0]
    crop = align(image, face.landmarks, 112, template="arcface")
    assert np.array_equal(embedder.embed_crops(crop[None])[0], embedder.embed(image, face))
    assert embedder.embed_crops(np.empty((0, 112, 112, 3), np.uint8)).shape == (0, 128)
