"""Encodings of text tables that are not UTF-8: each is found, or the table is refused."""

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from fastnn.tables import TableError, read
from fastnn.tables.encodings import guess_encoding
from fastnn.tables.files import locate

JAPANESE = "番号,氏名,都道府県,職業\n1,山田太郎,東京都,会社員\n2,鈴木花子,大阪府,エンジニア\n"
TEXTS = {
    "cp932 euc_jp": JAPANESE,
    "cp932": "id,商品\n1,コーヒー\n2,りんごジュース\n",
    "cp932 ": "id,code\n1,ソ1\n2,表2\n3,申3\n4,予4\n5,能5\n6,十6\n",  # single bytes beyond ASCII
    "gbk gb18030": "编号,姓名,城市\n1,张伟,北京\n2,王芳,上海\n3,李娜,广州\n",
    "big5": "編號,姓名,城市\n1,張偉,臺北\n2,王芳,高雄\n3,李娜,臺中\n",
    "euc_kr": "번호,이름,도시\n1,김철수,서울\n2,이영희,부산\n3,박민수,대구\n",
    "cp1251 koi8_r iso8859_5 cp866": "номер,имя,город\n1,Иван Петров,Москва\n2,Мария,Новосибирск\n",
    "iso8859_2 cp1250": "numer,imię,miasto,zawód\n1,Łukasz Żółty,Łódź,inżynier\n2,Małgorzata,Kraków,x\n",
    "iso8859-2 cp1250": "číslo,jméno,město\n1,Jiří Dvořák,Plzeň\n2,Božena Němcová,Budějovice\n",
    "koi8_r": "id,ok\n1,да\n2,не\n3,да\n",  # words of two letters
    "cp1253 iso8859_7": "αριθμός,όνομα,πόλη\n1,Γιώργος Παπαδόπουλος,Αθήνα\n",
    "cp1254 iso8859_9": "numara,isim,şehir\n1,Ayşe Öz,İstanbul\n2,Çağlar Öztürk,Eskişehir\n",
    "cp1255": "מספר,שם,עיר\n1,משה כהן,ירושלים\n2,שרה לוי,תל אביב\n",
    "cp1256": "رقم,اسم,مدينة\n1,محمد علي,القاهرة\n2,فاطمة حسن,الرياض\n",
    "cp1252 latin_1 mac_roman cp850": "numéro,nom,ville\n1,Hélène Lefèvre,Besançon\n2,François,Nîmes\n",
    "cp1252 latin-1 cp850": "Nr,Name,Stadt\n1,Jürgen Groß,Köln\n2,Bärbel Schröder,München\n",
    "cp1252 latin1": "n,nombre,ciudad\n1,José Muñoz,Málaga\n2,Ángel Núñez,A Coruña\n",
    # what says little is what it was before
    "cp1252": "a,b\n1,é\n",
    "cp1252 ": "a,b\n1,5 €\n2,7 €\n3,8 €\n4,9 €\n",
    "cp1252  ": "a,b\n1,it\u2019s fine \u2013 \u201creally\u201d\n2,don\u2019t\n",
    "latin_1": "temp (°C),area (m²),volume (m³),x\n1,2,½ m³,5 m³\n",
    "cp1252   ": "n,x,city\n1,0.5,Köln\n2,,São Paulo\n3,1,Ærø\n",
}
#: Foreign words among English ones, in lines that are mostly ASCII.
PADDING = ",https://www.example.com/catalogue/item-000123?ref=home,The quick brown fox jumps over it,In stock"
IN_ENGLISH = {
    names: "".join(f"{line}{PADDING * 3}\n" for line in text.splitlines())
    for names, text in {
        "cp932": "1,Tシャツ 白,Lサイズ\n2,iPhoneケース,NECパーソナル\n3,東京タワー見学,大人\n",
        "gbk": "1,iPhone手机壳,大\n2,USB线,长\n3,高清电视,LG\n4,台北101门票,成人\n",
        "cp949": "1,삼성 갤럭시S10,한국\n2,아이폰케이스,서울\n3,LG전자 TV,부산\n",
        "cp1251 koi8_r cp866": "1,Чехол для iPhone,в наличии\n2,Телевизор LG 42,нет\n3,Кофе,да\n",
        "cp1256": "1,غطاء هاتف,نعم\n2,تلفزيون LG,لا\n",
        "cp874": "1,เคสโทรศัพท์,มี\n2,ทีวี LG,ไม่มี\n",
    }.items()
}
CASES = [
    (name, text) for t in (TEXTS, IN_ENGLISH) for names, text in t.items() for name in names.split()
]


@pytest.fixture
def needs_detector():
    pytest.importorskip("charset_normalizer", reason="the extra cli is not installed")


@pytest.mark.usefixtures("needs_detector")
@pytest.mark.parametrize(("encoding", "text"), CASES, ids=lambda x: x if x.isascii() else "")
def test_encodings_that_are_found(encoding, text):
    assert text.encode(encoding).decode(guess_encoding(text.encode(encoding))) == text


def test_the_note_shows_a_word(file, needs_detector):
    path, notes = file("a.csv", JAPANESE.encode("cp932")), []
    assert read(path, on_note=notes.append)["都道府県"].to_pylist() == ["東京都", "大阪府"]
    assert notes == [
        f"{path}, line 1: is not UTF-8. The file was read as Shift-JIS (cp932), such as '番号'. "
        "If letters are wrong, pass the right encoding."
    ]
    assert locate(path, 1) == "line 3"


def test_without_charset_normalizer(file, monkeypatch):
    """Windows-1252 is guessed for Western texts alone: other texts are refused, not garbled."""
    monkeypatch.setitem(__import__("sys").modules, "charset_normalizer", None)
    monkeypatch.setattr("fastnn.tables.encodings.find_spec", lambda name: None)
    for names, text in TEXTS.items():
        name = names.split()[0]
        data = text.encode(name)
        try:
            table = read(file("a.csv", data), on_note=str)
        except TableError as error:
            assert name not in ("cp1252", "latin_1", "iso8859_2", "iso8859-2", "cp1254", "cp1251")
            reason = "encoding cannot be told. Pass the right encoding, or save the file as UTF-8. Or run"
            assert reason in str(error)
        else:
            assert table.column_names == text.splitlines()[0].split(","), name
    for names, text in IN_ENGLISH.items():
        if not names.startswith("cp1251"):  # which needs no package
            with pytest.raises(TableError, match="encoding cannot be told"):
                read(file("a.csv", text.encode(names)))


def test_the_sample_has_the_lines_beyond_ascii(file, needs_detector):
    text = "a,b\n" + "1,x\n" * 300_000 + "2,Иван Петров\n3,Новосибирск\n"
    table = read(file("a.csv", text.encode("koi8_r")), on_note=str)
    assert table["b"].to_pylist()[-2:] == ["Иван Петров", "Новосибирск"]


DEFAULT_NOTE = (
    "is not UTF-8. The file was read as Windows-1252 (cp1252), such as {!r}. If letters are wrong, pass "
    "the right encoding."
)
MIXED_NOTE = (
    "is not UTF-8, and no encoding fits all lines. The bytes that are not UTF-8 were read as "
    "Windows-1252 (cp1252)."
)
#: Lines of tables of FiveThirtyEight whose bytes two programs took for different encodings, the line and
#: the text of the note, and a value.
STRAY = {
    "genius_hip_hop_lyrics.csv": (
        b"id,artist,line\n12,King Los,I was the heart transplant when / Verbally I\xe5\x90'm Ben Carson\n"
        b"26,Roxanne Shant\xcc\xa9,Lay out the red carpet\n"
        b"31,Angel Haze,\x89\xdb\xf7Cause I was alone at the bottom / Kept getting played like\n"
        b"52,Corny,We'\xe5\x90ll run the market like we own it\n",
        *(2, MIXED_NOTE, ("artist", 1, "Roxanne Shant\u0329")),
    ),
    "realDonaldTrump.csv": (
        b"id,text\n1,\x89\xdb\xcfTrump hails liberation of Raqqa as critical breakthrough\n"
        b"2,CJTF\x89\xdb\xd2OIR is here\n3,He\x89\xdb\xaas done more in nine months than anyone\n"
        b"4,Thank you @RicardoRossello of #PuertoRico_\xd9\xe0\xb5_\xd9\xe0\xe1with us at the White\n",
        *(2, DEFAULT_NOTE.format("‰ÛÏTrump"), ("text", 1, "CJTF‰ÛÒOIR is here")),
    ),
    "tenth-circuit.csv": (
        b"case,cite,judge,category\n"
        b"Zu\x89\xdb\xd2Chen Horng v. Lynch,658 Fed.Appx. 415,Tymkovich,Immigration\n"
        b"Osuna\x89\xdb\xd2Gutierrez v. Johnson,838 F.3d 1030,Briscoe,Immigration\n"
        b"Romero\x89\xdb\xd2Raigoza v. Lynch,661 Fed.Appx. 555,Hartz,Immigration\n"
        b"Timmerman v. U.S. Bank N.A.,483 F.3d 1106,Alarc\x93\x98n,Title VII\n",
        *(2, DEFAULT_NOTE.format("Zu‰ÛÒChen"), ("judge", 3, "Alarc“˜n")),  # noqa: RUF001
    ),
    "rep_candidates.csv": (
        b"id,name,office\n1,Cristina Osme\xcc\xb1a,U.S. House California District 11\n"
        b"2,Rocky Ch\xcc\xc1vez,U.S. House California District 49\n",
        *(3, DEFAULT_NOTE.format("OsmeÌ±a"), ("name", 1, "Rocky ChÌÁvez")),
    ),
}


@pytest.mark.parametrize("name", STRAY)
def test_stray_bytes_in_english_texts(file, needs_detector, name):
    data, line, note, (column, row, value) = STRAY[name]
    path, notes = file("a.csv", data), []
    table = read(path, on_note=notes.append)
    assert notes == [f"{path}, line {line}: {note}"]
    assert table[column][row].as_py() == value


def test_a_file_with_some_other_lines(file):
    """Most lines are UTF-8: the others do not spoil them."""
    notes = []
    path = file("a.csv", "a,b\n1,Köln\n2,Łódź\n3,東京\n".encode() + "4,Zürich\n".encode("cp1252"))
    assert read(path, on_note=notes.append)["b"].to_pylist() == ["Köln", "Łódź", "東京", "Zürich"]
    assert notes == [
        f"{path}, line 5: is not UTF-8, but most lines are. The bytes that are not were read as "
        "Windows-1252 (cp1252)."
    ]
    assert locate(path, 3) == "line 5"
