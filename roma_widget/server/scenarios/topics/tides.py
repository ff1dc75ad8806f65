"""Words for writing about what tidal power can carry of a coastal grid."""

from __future__ import annotations

from roma_widget.server.scenarios.topics.topic import Measure, Topic, lines, names

TIDES = Topic(
    name="tides",
    subject="what tidal power can carry of a coastal grid",
    reader="a regional grid planner",
    keywords=names("tidal, tide, tides, turbine, turbines, lagoon, lagoons, slack"),
    strands=names(
        "tidal range and lagoons, stream turbines in narrow sounds, mud with its birds and fish,"
        " the grid between two tides"
    ),
    questions=lines("""
        availability of stream turbines after five years in the water
        capital costs of lagoons that were built and that were not
        silt behind barrages and the price of dredging
        seals and porpoises near rotating blades
        phase differences of tides along one coast
        subsea cable failures and their repair times
        batteries sized for six hours of slack water
        biofouling and coatings that slow it
        contracts for difference won by tidal bidders
        vessels needed to lift a turbine and their day rates
        spring and neap output at measured sites
        fish passage through bulb turbines
        fishing rights in leased sounds
        wake losses in arrays of turbines
    """),
    things=names(
        "stream turbines, bulb turbines, lagoons, barrages, subsea cables, sluice gates, lifting vessels, tide gauges,"
        " mudflats, fish passes, array wakes, slack-water batteries"
    ),
    people=names(
        "grid planners, divers, port captains, marine biologists, fishers, turbine makers, insurers, surveyors"
    ),
    effects=lines("""
        the output at neap tide
        the cost of one retrieval
        the wear of the pitch bearings
        the silt behind the wall
        the gap at slack water
        the price bid per megawatt-hour
        the delay of a lease
        the drop behind the first row of turbines
    """),
    causes=names(
        "fast silt, a short weather window, a worn seal, slack water, a shared cable, an early lease, biofouling,"
        " a nursery for herring, the phase of the next sound"
    ),
    places=names(
        "Skerry Sound, the Marram estuary, Cape Tolliver, Inverlay, Baie des Vasques, Hestoy, Gull Race, Port Annick"
    ),
    measures=(
        Measure("a capacity factor of {} %", 19, 46),
        Measure("a peak flow of {} metres a second", 1.9, 4.8, 1),
        Measure("a bid of {} euros per megawatt-hour", 118, 265),
        Measure("a retrieval cost of {} thousand euros", 70, 640),
        Measure("an availability of {} %", 61, 96),
        Measure("a tidal range of {} metres", 3.1, 11.6, 1),
        Measure("a wake loss of {} %", 4, 23),
    ),
    claims=lines("""
        tides can be foretold for a century, the turbines in them hardly for a winter
        a coast with three phases of tide needs a third of the storage
        the vessel that lifts a turbine costs more in a week than the parts it carries
        neap output is what a contract should be sized for, and seldom is
        silt fills a lagoon faster than its loan is paid back
        fish learn a barrage within seasons, birds lose their mudflats at once
        blades stop for seals more often than for storms
        cables fail at the landfall and not in the deep
        the second turbine at a site costs two thirds of the first
        wakes reach farther than the models of single turbines said
        slack water comes four times a day, and the grid sees each
        insurers ask for hours in the water that nobody can have yet
        a lease without a cable is a map
        coatings delay the barnacles by one season at most
    """),
    chats=lines("""
        What is the difference between tidal range and tidal stream?
        How predictable is tidal power?
        Why was the lagoon never built?
        How do turbines avoid harming seals?
        How large a battery bridges slack water for 10 MW?
    """),
    code="""\
def stream_power_kw(flow_m_s: float, rotor_m: float, efficiency: float = 0.41) -> float:
    \"\"\"Half rho A v cubed, in sea water.\"\"\"
    area = 3.14159 * (rotor_m / 2) ** 2
    return 0.5 * 1025 * area * flow_m_s**3 * efficiency / 1000
""",
)
