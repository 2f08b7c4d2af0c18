"""Names of months and weekdays in the languages that files come in."""

from __future__ import annotations

import unicodedata

# One line a month, without accents: English, German, French, Spanish, Italian, Portuguese, Polish,
# Russian, Dutch, Scandinavian, Turkish; then Czech, Hungarian, Romanian, Finnish, Indonesian, Greek
# and Roman numerals.
_MONTHS = """
jan january januar janner janvier janv ene enero gen gennaio janeiro sty styczen stycznia
 январь января янв januari oca ocak
 leden ledna led ianuarie ian tammi tammikuu tammikuuta ιαν ιανουαριου i
feb february februar fevrier fevr fev febrero febbraio fevereiro lut luty lutego
 февраль февраля фев февр februari sub subat
 unor unora uno febr februarie helmi helmikuu helmikuuta φεβ φεβρουαριου ii
mar march marz mrz maerz mars marzo marco marzec marca март марта мар maart mrt mart
 brezen brezna bre marcius marc martie maalis maaliskuu maaliskuuta maret μαρ μαρτιου iii
apr april avril avr abr abril aprile kwi kwiecien kwietnia апрель апреля апр nis nisan
 duben dubna dub aprilis aprilie huhti huhtikuu huhtikuuta απρ απριλιου iv
may mai mayo mag maggio maio maj maja май маи мая mei mayis
 kveten kvetna kve majus touko toukokuu toukokuuta μαι μαιου v
jun june juni juin junio giu giugno junho cze czerwiec czerwca июнь июня июн haz haziran
 cerven cervna cvn junius iunie iun kesa kesakuu kesakuuta ιουν ιουνιου vi
jul july juli juillet juil julio lug luglio julho lip lipiec lipca июль июля июл tem temmuz
 cervenec cervence cvc julius iulie iul heina heinakuu heinakuuta ιουλ ιουλιου vii
aug august aout ago agosto sie sierpien sierpnia август августа авг augustus augusti agu agustos
 srpen srpna srp augusztus elo elokuu elokuuta agt αυγ αυγουστου viii
sep sept september septembre septiembre setiembre set settembre sett setembro wrz wrzesien wrzesnia
 сентябрь сентября сен сент eyl eylul
 zari szeptember szept septembrie syys syyskuu syyskuuta σεπ σεπτεμβριου ix
oct october okt oktober octobre octubre ott ottobre out outubro paz pazdziernik pazdziernika
 октябрь октября окт eki ekim
 rijen rijna rij octombrie loka lokakuu lokakuuta οκτ οκτωβριου x
nov november novembre noviembre novembro lis listopad listopada ноябрь ноября ноя нояб kas kasim
 listopadu noiembrie noi marras marraskuu marraskuuta νοε νοεμβριου xi
dec december dez dezember decembre dic diciembre dicembre dezembro gru grudzien grudnia
 декабрь декабря дек ara aralik
 prosinec prosince pro desember des decembrie joulu joulukuu joulukuuta δεκ δεκεμβριου xii
"""
_WEEKDAYS = """
mon monday mo montag lun lundi lunes lunedi seg segunda pon poniedzialek пн понедельник ma maandag
tue tues tuesday di dienstag mar mardi martes martedi ter terca wt wtorek вт вторник dinsdag
wed weds wednesday mi mittwoch mer mercredi mie miercoles mercoledi qua quarta sr sroda ср среда
 wo woensdag
thu thur thurs thursday do donnerstag jeu jeudi jue jueves gio giovedi qui quinta czw czwartek
 чт четверг donderdag
fri friday fr freitag ven vendredi vie viernes venerdi sex sexta pt piatek пт пятница vr vrijdag
sat saturday sa samstag sonnabend sam samedi sab sabado sabato sob sobota сб суббота za zaterdag
sun sunday so sonntag dim dimanche dom domingo domenica nd niedz niedziela вс воскресенье zo zondag
"""
_FILLERS = frozenset(
    [
        "de",
        "del",
        "of",
        "the",
        "st",
        "nd",
        "rd",
        "th",
        "er",
        "o",
        "a",
        "г",
        "год",
        "года",
        "den",
        "le",
        "feira",
        "at",
        "um",
    ]
)


def _numbered(table: str, first: int) -> dict[str, int]:
    lines = table.strip().replace("\n ", " ").splitlines()
    return {word: i for i, line in enumerate(lines, first) for word in line.split()}


_MONTH_OF = _numbered(_MONTHS, 1)
_WEEKDAY_OF = _numbered(_WEEKDAYS, 0)


def month_and_weekday(words: list[str]) -> tuple[int | None, int | None]:
    """Return the month (1 … 12) and the weekday (0 is Monday) that words name, None where absent.

    Raises
    ------
    ValueError
        If a word is neither, or two months or two weekdays are named.

    Examples
    --------
    >>> month_and_weekday(["Dienstag", "Januar"])
    (1, 1)
    >>> month_and_weekday(["mar", "janv"])  # mardi, not March
    (1, 1)
    """
    bare = [plain for word in words if (plain := _plain(word)) not in _FILLERS]
    months = [word for word in bare if word in _MONTH_OF]
    if len(months) > 1:
        # mar. 02 janv. 2024: a word that may be a weekday is one beside a month
        months = [word for word in months if word not in _WEEKDAY_OF]
    weekdays = [word for word in bare if word not in months]
    if len(months) > 1 or len(weekdays) > 1 or any(word not in _WEEKDAY_OF for word in weekdays):
        raise ValueError(words)
    month = _MONTH_OF[months[0]] if months else None
    return month, _WEEKDAY_OF[weekdays[0]] if weekdays else None


def _plain(word: str) -> str:
    """Return a word in lower case without accents: MÄRZ and märz are marz."""
    split = unicodedata.normalize("NFKD", word.casefold())
    bare = "".join(letter for letter in split if not unicodedata.combining(letter))
    return bare.replace("ł", "l").replace("ı", "i")
