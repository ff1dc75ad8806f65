"""Words for writing about what farmland can do about soil carbon."""

from __future__ import annotations

from roma_widget.server.scenarios.topics.topic import Measure, Topic, lines, names

SOIL = Topic(
    name="soil",
    subject="what farmland can do about soil carbon",
    reader="a ministry of agriculture",
    keywords=names("soil, soils, carbon, farming, farmland, grassland, density"),
    strands=names(
        "cover crops and tillage, grassland and grazing, compost and biochar, measurement and payment"
    ),
    questions=lines("""
        carbon gained by cover crops in trials longer than ten years
        effects of no-till below the plough layer
        grazing rotations and their controls
        half-lives of biochar in sandy and clay soils
        cost of sampling a field to one metre of depth
        contracts for carbon credits and what happens on breach
        nitrous oxide set free by manure and compost
        clay content as a limit of storage
        satellite estimates compared with cores
        hedgerows and trees between arable strips
        losses of carbon after grassland was ploughed
        microbial turnover in warming plots
        farmers' reasons for leaving a programme
        bulk density and the errors it brings in
    """),
    things=names(
        "cover crops, long-term trials, soil cores, no-till fields, hedgerows, compost heaps, permanent pastures,"
        " biochar plots, carbon contracts, clay aggregates, deep-rooting mixtures, drained peatlands"
    ),
    people=names(
        "farmers, soil surveyors, agronomists, auditors, graziers, contractors, credit buyers, extension officers"
    ),
    effects=lines("""
        the gain in the top ten centimetres
        the loss below the plough layer
        the error of a single sampling round
        the payment per tonne
        the difference between clay and sand
        the release after a dry summer
        the balance once nitrous oxide is counted
        the time until a new equilibrium
    """),
    causes=names(
        "a shallow core, a change of bulk density, early termination, wet clay, low nitrogen, an unploughed control,"
        " a warm autumn, a short contract, compaction at the headland"
    ),
    places=names(
        "Ellmark, the Brede valley, Sankt Orla, Corvenne, Upper Tarn, Wexmoor, Zelenka, the Loamside estate"
    ),
    measures=(
        Measure("a gain of {} tonnes of carbon per hectare and year", 0.04, 0.71, 2),
        Measure("a clay content of {} %", 6, 47),
        Measure("a sampling cost of {} euros per hectare", 14, 96),
        Measure("a bulk density of {} grams per cubic centimetre", 1.02, 1.61, 2),
        Measure("a payment of {} euros per tonne", 12, 74),
        Measure("a half-life of {} years", 3, 410),
        Measure("a detection limit of {} % after five years", 3, 18),
    ),
    claims=lines("""
        what tillage leaves at the top it often takes from below, so that shallow cores see a gain that is not there
        cover crops add carbon slowly and lose it within a few years of being given up
        ploughing a meadow releases in five years what took fifty to gather
        clay protects carbon for decades where sand holds it for seasons
        a change of bulk density alone can look like a gain
        payments by result punish those who began early
        nitrous oxide can eat up the whole benefit of manure
        most trials are shorter than the contracts they are quoted for
        deep roots matter more than the mass above ground
        auditors sample where the tractor can reach
        biochar stays, but most of the land it would need is already in use
        drained peat outweighs every gain on mineral soil nearby
        farmers value the water a better soil holds more than the credit
        warming speeds up the microbes before it speeds up the crops
    """),
    chats=lines("""
        How much carbon does a hectare of grassland hold?
        Does no-till farming really store carbon?
        What is bulk density and why does it matter?
        How deep should soil cores be taken for a carbon audit?
        Summarise the case against paying per tonne of soil carbon.
    """),
    code="""\
def stock_t_per_ha(carbon_share: float, bulk_density: float, depth_cm: float, stones: float = 0.0) -> float:
    \"\"\"Organic carbon of a layer: share x density (g/cm3) x depth, less the stones. 100 turns g/cm2 into t/ha.\"\"\"
    return carbon_share * bulk_density * depth_cm * (1.0 - stones) * 100.0
""",
)
