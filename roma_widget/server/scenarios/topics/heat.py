"""Words for writing about how cities store heat from summer to winter."""

from __future__ import annotations

from roma_widget.server.scenarios.topics.topic import Measure, Topic, lines, names

HEAT = Topic(
    name="heat",
    subject="how cities store heat from summer to winter",
    reader="a city council",
    keywords=names("heat, heating, borehole, boreholes, aquifer, aquifers, pit, tenant"),
    strands=names(
        "borehole fields under housing, aquifer stores near rivers, pit stores at the edge of town,"
        " the cost of pipes and drilling"
    ),
    questions=lines("""
        measured losses of borehole fields in their first five years
        drilling prices per metre in clay, gravel and granite
        groundwater temperatures allowed by permits for aquifer stores
        lids of pit stores and how long they last
        the share of winter demand met by stored summer heat
        noise and heave reported by residents above borehole fields
        heat pumps that lift stored heat to district temperatures
        contracts between data centres and district heating companies
        corrosion and clogging in wells of aquifer stores
        tariffs that reward feeding heat in during summer
        insurance and liability for heat stored under private land
        maps of ground conductivity and who keeps them
        solar collectors that charge a store and their yield
        what happens to a store when the building above is sold
    """),
    things=names(
        "borehole fields, aquifer wells, pit stores, buried tanks, heat pumps, solar collectors, plate heat exchangers,"
        " district mains, return pipes, insulated lids, monitoring wells, data centre coolers"
    ),
    people=names(
        "operators, council engineers, drillers, hydrogeologists, housing co-operatives, tenants, permit officers,"
        " district heating companies"
    ),
    effects=lines("""
        the loss of the first winter
        the price of stored heat in February
        the drift of temperature under neighbouring plots
        the lift the heat pump has to give
        the gap between design and measured yield
        the time a store needs to settle
        the demand peak of a cold week
        the cost of the last hundred metres of pipe
    """),
    causes=names(
        "slow groundwater, shallow clay, a wet lid, poor grouting, a high return temperature, cheap summer electricity,"
        " a missing meter, an old permit, the distance to the mains"
    ),
    places=names("Halvik, Port Ellery, Marienau, Osterby, Kestrel Quay, Lindholt, Vallmora, Newbridge"),
    measures=(
        Measure("a seasonal efficiency of {} %", 38, 84),
        Measure("a drilling price of {} euros a metre", 46, 118),
        Measure("a loss of {} kWh per cubic metre and year", 4, 31, 1),
        Measure("a return temperature of {} °C", 27, 49),
        Measure("a storage volume of {} thousand cubic metres", 9, 210),
        Measure("a coefficient of performance of {}", 2.9, 5.8, 1),
        Measure("a payback of {} years", 8, 27),
    ),
    claims=lines("""
        a store loses most of its heat in the first three seasons, until the ground around it has warmed
        small stores lose a larger share than large ones, because surface grows more slowly than volume
        moving groundwater carries heat away faster than any insulation could hold it
        the return temperature decides more about yield than the number of boreholes
        a store charged with waste heat pays back sooner than one charged by collectors alone
        lids of pit stores fail at the seams long before the liner does
        permits written for cooling are rarely fit for storing heat
        nobody meters the ground, so that losses are estimated from the balance of the pumps
        drilling is cheapest where it is needed least, in soft ground far from old towns
        two years of measurements are not enough to tell settling from loss
        residents notice the drilling and never the store
        a heat pump between store and mains turns a mediocre store into a useful one
        the same field may be a battery for one owner and a liability for the next
        cold winters flatter a store, because everything in it is used
    """),
    chats=lines("""
        How deep is a typical borehole for storing heat?
        Why do large heat stores lose less than small ones?
        What does a pit store cost for a district of 500 homes?
        Can a data centre heat a swimming pool in summer and homes in winter?
        Explain return temperature to a tenant in three sentences.
    """),
    code="""\
def seasonal_efficiency(charged_mwh: list[float], drawn_mwh: list[float]) -> float:
    \"\"\"Heat drawn in a year over heat charged in it; below 1 by what the ground kept.\"\"\"
    if not sum(charged_mwh):
        raise ValueError("nothing was charged: is the meter on the right pipe?")
    return sum(drawn_mwh) / sum(charged_mwh)
""",
)
