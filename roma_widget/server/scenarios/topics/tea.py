"""Words for writing about how tea changes between the garden and the cup."""

from __future__ import annotations

from roma_widget.server.scenarios.topics.topic import Measure, Topic, lines, names

TEA = Topic(
    name="tea",
    subject="how tea changes between the garden and the cup",
    reader="a co-operative of growers",
    keywords=names("tea, teas, oolong, leaf, leaves"),
    strands=names(
        "plucking and withering, oxidation and firing, storage and transport, water and the kettle at home"
    ),
    questions=lines("""
        plucking standards and what they cost in yield
        moisture of withered leaf and the flavour that follows
        oxidation times for black tea at different altitudes
        firing temperatures and the loss of floral notes
        shelf life of green tea in tins, paper and foil
        hardness of water and the colour of the cup
        prices at auction by grade and month
        pests that improve the flavour of a harvest
        wages of pickers and the share of the retail price
        effects of shading on amino acids before harvest
        dust grades, bags and the speed of brewing
        tasting panels and how far they agree
        warmer nights and the timing of the first flush
        adulteration found in packeted tea
    """),
    things=names(
        "two-leaf shoots, withering troughs, rolling tables, oxidation beds, firing drums, foil bags, tasting panels,"
        " shaded rows, hill gardens, lowland estates, auction lots, tea bushes"
    ),
    people=names(
        "growers, pickers, factory managers, blenders, tasters, importers, shopkeepers, plant breeders"
    ),
    effects=lines("""
        the brightness of the cup
        the loss of aroma in storage
        the bitterness of the second infusion
        the price of the first flush
        the difference between two neighbouring gardens
        the shift of the harvest in warm years
        the share of broken leaf
        the time between plucking and firing
    """),
    causes=names(
        "hard water, a late monsoon, uneven withering, a short night, stale foil, hurried firing, deep shade,"
        " a torn leaf, the altitude of the garden"
    ),
    places=names(
        "Namsara, Upper Kelani, Doi Mae Wan, Shirakawa Hills, Rungneet, Wuyan, Lake Temi, Ambalapitiya"
    ),
    measures=(
        Measure("a moisture of {} % after withering", 55, 74),
        Measure("an auction price of {} euros a kilogram", 2.1, 38, 2),
        Measure("an oxidation time of {} minutes", 35, 190),
        Measure("a firing temperature of {} °C", 88, 145),
        Measure("a yield of {} kilograms of made tea per hectare", 480, 2350),
        Measure("a water hardness of {} mg/l", 18, 340),
        Measure("a caffeine content of {} %", 1.6, 4.4, 1),
    ),
    claims=lines("""
        withering decides more about aroma than any later step, and is the step most often hurried
        hard water dulls the colour of a cup that tasters call bright at the factory
        leaf plucked after rain carries more water and less of everything else
        light, air and warmth spoil green tea in that order
        a bug that bites the shoot before harvest can double the price of the lot
        shade raises sweetness and lowers yield by about the same share
        auction prices follow the month more closely than the taste
        tasters agree on faults and disagree on merits
        broken leaf brews in a third of the time and tires after one infusion
        the first flush comes earlier in most gardens, and is shorter
        a clean drum matters as much as the temperature on its dial
        pickers see less of a price rise than anyone between them and the shop
        boiling water is right for black tea and wrong for nearly everything else
        small factories keep lots apart that large ones have to mix
    """),
    chats=lines("""
        What water temperature suits a green tea?
        Why is my tea cloudy when it cools?
        Is white tea lower in caffeine than black tea?
        How long may an opened tin of oolong stand?
        Explain oxidation of tea leaves to a ten-year-old.
    """),
    code="""\
def infusion_strength(leaf_g: float, water_ml: float, minutes: float, *, broken: bool = False) -> float:
    \"\"\"A rough index: 1.0 is 3 g of whole leaf in 250 ml for three minutes.\"\"\"
    pace = 3.0 if broken else 1.0
    return (leaf_g / 3.0) * (250.0 / water_ml) * min(1.0, pace * minutes / 3.0)
""",
)
