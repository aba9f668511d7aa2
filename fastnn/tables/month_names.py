# ruff: noqa: RUF001 - letters of other alphabets are meant
"""Names of months and weekdays in texts, whatever the language of the system.

English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish, Danish, Norwegian and
Russian.
"""

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar jän jänner janv janvier ene enero gen gennaio janeiro januari "
            "sty styczeń stycznia янв январь января",
            "feb february februar feber fév févr février fevr fevrier febrero febbraio fev fevereiro "
            "februari lut luty lutego фев февр февраль февраля",
            "mar march mär mrz märz mars marzo março marco mrt maart marca marzec marts "
            "мар март марта",
            "apr april avr avril abr abril aprile kwi kwiecień kwietnia апр апрель апреля",
            "may mai mayo mag maggio maio mei maj maja май мая",
            "jun june juni juin junio giu giugno junho cze czerwiec czerwca июн июнь июня",
            "jul july juli juil juillet julio lug luglio julho lip lipiec lipca июл июль июля",
            "aug august août aout ago agosto augustus augusti sie sierpień sierpnia авг август "
            "августа",
            "sep sept september septembre septiembre setiembre set settembre setembro wrz wrzesień "
            "września сен сент сентябрь сентября",
            "oct october okt oktober octobre octubre ott ottobre out outubro paź październik "
            "października окт октябрь октября",
            "nov november novembre noviembre novembro lis listopad listopada ноя нояб ноябрь ноября",
            "dec december dez dezember déc décembre decembre dic diciembre dicembre dezembro des "
            "desember gru grudzień grudnia дек декабрь декабря",
        ),
        1,
    )
    for name in names.split()
}
WEEKDAYS = frozenset(
    "mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun "
    "sunday mo montag di dienstag mi mittwoch do donnerstag fr freitag sa samstag sonnabend so sonntag "
    "lun lundi mar mardi mer mercredi jeu jeudi ven vendredi sam samedi dim dimanche lunes martes mié "
    "miércoles jue jueves vie viernes sáb sábado dom domingo lunedì martedì mercoledì giovedì venerdì "
    "sabato domenica gio gioved seg segunda ter terça qua quarta qui quinta sex sexta ma maandag "
    "dinsdag wo woensdag donderdag vr vrijdag za zaterdag zo zondag pon poniedziałek wt wtorek śr środa "
    "czw czwartek pt piątek sob sobota nd niedziela niedz mån måndag tis tisdag ons onsdag tors torsdag "
    "fre fredag lör lördag sön söndag man mandag tir tirsdag tirs lør lørdag søn søndag пн понедельник "
    "вт вторник ср среда чт четверг пт пятница сб суббота вс воскресенье".split()
)
