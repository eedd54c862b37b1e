"""Words of the simulated chat: what each topic is made of, and the lists every topic shares.

A topic is five rows: nouns, verbs, adjectives, invented names, set phrases. All of it was
written for this project; names of games, places and persons are invented.
"""

from __future__ import annotations

__all__ = ["COPYPASTA", "EMOJI", "EMOTES", "GENERAL", "HOSTILE", "NAME_HEADS", "NAME_TAILS", "TOPICS"]

_TOPIC_ROWS = """
boss
boss|phase|shield|stamina|parry|arena|healthbar|dodge|greatsword|estus|summon|tail|hitbox|spear|fog gate|checkpoint|armor|curse|poison|bonfire|wyvern|knight|combo|stagger|potion
dodge|parry|roll|block|heal|swing|retreat|stagger|summon|bait|punish|respawn
brutal|unfair|telegraphed|aggressive|second|final|huge|cursed|armored|relentless|winged|broken
Hollow Tide|Marrow King|Ashen Vicar|Old Lantern Gate|Sister Vell|the Drowned Keep
watch the left arm|do not get greedy|two hits and back off|save the flask|that was one frame
farm
turnip|barn|chicken|sprinkler|harvest|orchard|scarecrow|seed|greenhouse|cow|fence|well|windmill|beehive|pumpkin|festival|hoe|soil|duck|silo|melon|tractor|mayor|berry|fertilizer
plant|water|harvest|plow|milk|fence|feed|sell|brew|gather|weed|upgrade
cozy|muddy|golden|rainy|ripe|fluffy|tiny|giant|organic|seasonal|sleepy|rustic
Clover Hollow|Mayor Pim|Bramble Farm|Aunt Odessa|Willow Row|the Moss Market
water before bed|sell it on tuesday|the crows are back|one more day|rain saves us today
cooking
onion|pan|butter|garlic|dough|oven|knife|sauce|noodle|pepper|recipe|broth|flour|egg|spatula|cheese|mushroom|timer|ginger|rice|carrot|spoon|apron|curry|lemon
chop|simmer|knead|whisk|taste|burn|season|bake|fry|peel|stir|plate
crispy|salty|burnt|buttery|spicy|raw|golden|smoky|sour|creamy|doughy|fragrant
Grandma Ilse|the Red Pot|Chef Morrow|Harbor Stew|the Tuesday Pie|Saffron Street
salt the water|low and slow|let it rest|check the oven|the smoke alarm is next
karaoke
chorus|microphone|ballad|encore|verse|key|setlist|harmony|lyric|tempo|octave|duet|bridge|melody|vocal|request|stage|piano|anthem|echo|playlist|falsetto|beat|whistle|refrain
sing|hum|belt|rehearse|harmonize|whistle|clap|request|sway|improvise|tune|dance
acoustic|gentle|soaring|offkey|nostalgic|jazzy|breathy|slow|powerful|upbeat|melancholic|catchy
Paper Moonrise|Glass Harbor|the Velvet Tides|Song for Juniper|Midnight Ferry|Northern Choir
one more song|hands in the air|that key change|sing it softer|mic is a bit low
drawing
sketch|brush|layer|palette|shading|lineart|canvas|pencil|eraser|pose|portrait|background|highlight|texture|perspective|hand|eyelash|watercolor|charcoal|silhouette|reference|ink|tablet|doodle|composition
sketch|shade|paint|erase|blend|trace|crop|color|outline|scribble|redraw|flip
soft|scribbly|pastel|vivid|messy|crooked|detailed|minimal|purple|layered|dynamic|flat
Studio Fern|Inktober Street|Madame Quill|the Blue Sketchbook|Atelier Nine|Paper Fox
flip the canvas|hands are hard|save the file|more contrast please|name your layers
horror
hallway|flashlight|basement|scream|doll|attic|shadow|ghost|whisper|mirror|asylum|key|closet|footstep|corpse|jumpscare|battery|fog|ritual|candle|nurse|elevator|cellar|phone|crow
hide|scream|sneak|run|peek|tremble|haunt|crawl|panic|whisper|unlock|listen
creepy|dark|haunted|silent|bloody|abandoned|pale|eerie|rotten|screaming|locked|grim
Ward Seven|Mister Hush|Blackmoor House|the Weeping Stair|Nurse Agnes|Room 404
do not open that|behind you|check the closet|headphones off now|nope nope nope
racing
corner|lap|tire|engine|drift|pit|brake|overtake|gearbox|podium|chicane|wheel|throttle|grid|slipstream|turbo|fuel|rival|helmet|apex|barrier|hairpin|clutch|rain tire|ghost car
brake|drift|overtake|shift|accelerate|spin|crash|draft|steer|qualify|pit|swerve
wet|tight|slippery|fastest|reckless|smooth|late|perfect|bumpy|turbocharged|narrow|clean
Saltflat Ring|Monte Verro|Team Halcyon|Driver Okafor|Pinewood Circuit|the Iron Hairpin
box this lap|late on the brakes|fuel is low|send it|inside line is open
puzzle
puzzle|lever|tile|riddle|mirror|beam|code|switch|hint|pattern|block|maze|portal|number|pressure plate|logic|clue|grid|rotation|door|symbol|gear|statue|solution|sequence
solve|rotate|push|align|guess|decode|reset|count|swap|deduce|undo|connect
obvious|clever|tricky|symmetrical|hidden|mathematical|backwards|missing|blue|simple|devious|elegant
Chamber Eleven|Professor Lindqvist|the Quiet Cube|Orrery Hall|Meridian Lock|the Glass Abacus
count the tiles|it is the mirror|read the note again|try it upside down|the answer is on the wall
travel
train|airport|passport|hostel|beach|mountain|suitcase|museum|ferry|island|market|temple|ticket|souvenir|bridge|map|tram|hotel|trail|lighthouse|waterfall|festival|bakery|canal|village
travel|hike|pack|visit|board|wander|book|explore|photograph|climb|stroll|miss
coastal|crowded|ancient|foggy|scenic|cheap|distant|snowy|sunny|historic|quiet|tropical
Port Calloway|Lake Ysel|the Old Tramway|Saint Orla|Kestrel Island|Harrow Pass
pack lighter|trains are the best|window seat always|it rains there daily|go in spring
pets
cat|dog|whisker|paw|leash|kitten|puppy|hamster|parrot|litter box|treat|vet|tail|collar|nap|couch|toy|rabbit|turtle|fur|belly|goldfish|bowl|blanket|kennel
pet|purr|bark|nap|scratch|fetch|cuddle|groom|feed|chew|meow|adopt
fluffy|grumpy|sleepy|tiny|chunky|loyal|orange|spoiled|curious|clumsy|loud|gentle
Biscuit|Sir Pounce|Waffles|Lady Mittens|Pickle|Doctor Paws
cat tax please|who is a good dog|he wants dinner|the tail again|cats own this channel
space
rocket|orbit|asteroid|fuel|station|planet|crater|antenna|cargo|oxygen|thruster|moon|comet|hull|satellite|rover|nebula|docking port|gravity|lander|solar panel|probe|wormhole|cockpit|telemetry
launch|orbit|dock|land|mine|refuel|scan|drift|warp|explode|eject|calibrate
orbital|distant|frozen|radioactive|metallic|weightless|fiery|unstable|lunar|silent|alien|experimental
Station Corvid|Kepler Yard|Captain Imre|the Amber Belt|Vesper Nine|Moon of Tarn
check your staging|more struts|you forgot the parachute|we have liftoff|burn at periapsis
building
block|roof|tower|redstone|wall|castle|stair|window|bridge|furnace|creeper|village|torch|chest|pickaxe|diamond|glass|garden|minecart|dungeon|plank|balcony|statue|tunnel|scaffold
build|mine|stack|decorate|dig|craft|place|smelt|demolish|terraform|collect|measure
wooden|blocky|tall|lopsided|medieval|underground|mossy|stone|modular|asymmetrical|glowing|ugly
Cobble Bay|Fort Muffin|the Sky Bridge|Dirt Palace|Villager Bob|Upper Quarry
never dig straight down|light it up|more windows|the roof is the hard part|it needs a chimney
language
grammar|verb|accent|dictionary|vowel|phrase|idiom|particle|alphabet|kanji|noun|homework|flashcard|tense|dialect|translation|spelling|pronunciation|sentence|syllable|tutor|textbook|exam|greeting|tongue twister
translate|pronounce|study|memorize|spell|conjugate|practice|repeat|mumble|forget|learn|read
formal|polite|irregular|fluent|silent|native|plural|confusing|rude|literal|rolling|archaic
Lesson Twelve|Teacher Anouk|the Green Textbook|Polyglot Pete|Owl Academy|Chapter Six
that is a false friend|stress the second one|say it slowly|my tongue hurts|there is no plural
speedrun
split|glitch|timer|record|skip|route|clip|reset|frame|category|pace|gold|attempt|cutscene|warp|controller|emulator|leaderboard|strat|input|runback|segment|lag|buffer|wall jump
clip|skip|reset|buffer|save|route|grind|time|boost|wallkick|optimize|choke
pixel|frame|risky|optimal|sub|consistent|lucky|slow|insane|doomed|glitched|clean
Mushroom Mile|Cartridge Cup|Any Percent Annie|Tower Skip|World Four|the Basement Clip
gold split|do not reset|choke incoming|three seconds ahead|the timer is lying
weather
rain|snow|storm|umbrella|sunset|thunder|breeze|cloud|autumn|heatwave|puddle|fog|rainbow|winter|forecast|jacket|lightning|frost|spring|blossom|humidity|typhoon|leaf|sunrise|wind
rain|snow|freeze|melt|pour|shine|blow|thaw|shiver|sweat|drizzle|clear
windy|chilly|humid|stormy|cloudy|freezing|gorgeous|gray|warm|sticky|crisp|gloomy
Harbor Point|Mount Sable|the North Pier|Saint Brine|Elm Valley|Cape Dorrin
it is pouring here|stay warm everyone|the sky is orange|no snow this year|power went out twice
snacks
cookie|coffee|tea|pizza|chips|chocolate|sandwich|ramen|donut|cereal|pancake|cake|ice cream|soda|popcorn|taco|waffle|muffin|noodles|burger|dumpling|cheesecake|lemonade|pickle|toast
eat|sip|crunch|bake|order|share|dip|munch|brew|devour|toast|crave
sweet|crunchy|cold|salted|warm|stale|cheesy|sticky|fresh|minty|greasy|delicious
Dockside Diner|Uncle Bao|Crumb and Co|the Midnight Fridge|Golden Spoon|Cafe Petrichor
snack break|tea is superior|pineapple belongs|it is five somewhere|hydrate everyone
hardware
keyboard|monitor|cable|headset|webcam|mouse|router|fan|driver|graphics card|microphone|battery|desk|lamp|laptop|speaker|bitrate|adapter|overlay|lag|capture card|charger|screen|chair|usb hub
plug|update|restart|stream|overclock|install|crash|mute|upload|solder|cool|record
wireless|mechanical|laggy|dusty|silent|overheated|blurry|new|cheap|ergonomic|outdated|glowing
Model Nine|Quietfan Pro|Setup Sunday|Cable Goblin|the Old Laptop|Bluekey Sixty
turn it off and on|you are muted|the bitrate again|check the cable|audio desync
books
novel|chapter|plot|villain|library|author|trilogy|bookmark|hero|page|sequel|mystery|dragon|cover|poem|ending|narrator|prologue|manuscript|series|spoiler|twist|paperback|wizard|fairytale
read|write|finish|borrow|quote|spoil|annotate|recommend|skim|publish|reread|narrate
gripping|slow|fictional|heartbreaking|poetic|dusty|unfinished|epic|predictable|thick|classic|cliffhanger
The Salt Cartographer|Winter of Keys|Author Lisbet Rowan|Nine Lanterns|the Gull Prince|House of Moths
no spoilers|the book was better|chapter nine broke me|read it twice|that ending though
gym
workout|treadmill|squat|protein|marathon|stretch|bike|yoga|goal|muscle|plank|dumbbell|jog|coach|referee|tournament|stadium|penalty|racket|whistle|warmup|sprint|team|match|league
lift|run|stretch|jog|squat|score|train|sweat|pass|sprint|kick|recover
sore|athletic|heavy|offside|strong|sweaty|weekly|early|competitive|amateur|tired|flexible
Riverside United|Coach Delphine|Gate Park|the Sunday League|Iron Loft|Harbor Half
leg day again|stretch first|that was offside|form over weight|drink some water
workday
meeting|deadline|email|office|exam|lecture|commute|boss|project|weekend|essay|spreadsheet|class|shift|break|presentation|interview|schedule|overtime|colleague|professor|vacation|alarm|semester|report
study|commute|present|procrastinate|submit|clock out|type|schedule|cram|graduate|oversleep|finish
boring|endless|late|stressful|unpaid|early|remote|productive|tired|busy|mandatory|final
Monday|Room B12|the Quarterly|Professor Aldous|Night Shift|Building C
five more minutes|it could be an email|almost friday|deadline is midnight|clocking out now
fishing
rod|bait|lake|trout|hook|reel|boat|salmon|tackle|pond|net|river|catfish|pier|worm|bucket|line|cast|eel|squid|tide|dock|lure|carp|anchor
cast|reel|hook|bait|release|row|wait|snag|catch|troll|anchor|weigh
slippery|legendary|patient|calm|murky|rare|shiny|oversized|deep|silver|tangled|freshwater
Lake Ondine|Old Whiskerfin|Pier Nine|Captain Brannagh|the Gilded Carp|Gull Rock
patience patience|it got away|tug it now|another boot|big shadow on the left
detective
clue|suspect|alibi|fingerprint|butler|letter|murder|witness|footprint|safe|poison|motive|glove|inspector|mansion|will|twist|notebook|case|evidence|pocket watch|confession|ledger|crime scene|testimony
investigate|accuse|question|deduce|lie|confess|inspect|suspect|eavesdrop|follow|frame|reveal
suspicious|guilty|innocent|forged|bloodstained|nervous|secret|wealthy|masked|obvious|contradictory|vanished
Inspector Marlow|Lady Harcourt|the Velvet Case|Doctor Fenn|Ravenhill Manor|Mister Quince
it was the butler|check the ledger|she is lying|the clock is wrong|objection
cards
deck|hand|mana|booster|draw|discard|combo|joker|ace|shuffle|trap card|token|ante|meta|spell|creature|graveyard|shop|coin|curve|mulligan|topdeck|bluff|relic|gold
draw|shuffle|discard|bluff|play|mulligan|topdeck|fold|sell|buy|trade|stack
overpowered|foil|legendary|common|lethal|unlucky|discounted|cheap|expensive|rare|busted|exhausted
Merchant Ozzo|Gambit Row|Crimson Ante|the Thirteenth Deck|Sable Mage|Tavern of Coins
lethal on board|buy the relic|sell the joker|topdeck of the year|never lucky
""".strip().splitlines()

# name -> (nouns, verbs, adjectives, names, phrases)
TOPICS: dict[str, tuple[tuple[str, ...], ...]] = {
    _TOPIC_ROWS[i]: tuple(tuple(row.split("|")) for row in _TOPIC_ROWS[i + 1 : i + 6])
    for i in range(0, len(_TOPIC_ROWS), 6)
}

# Lists that every topic shares. "tilt: words" with a tilt orders words along that trait,
# from the low end to the high end; without a tilt, frequent words come first.
GENERAL: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "warm": (
        "warmth",
        tuple(
            "mid|whatever|meh|passable|fine i guess|okay|alright|not bad|decent|fine|fun|solid|good|neat|nice|cool|"
            "great|sweet|so good|lovely|charming|delightful|wonderful|adorable|beautiful|heartwarming|"
            "precious|magical|so wholesome|perfect in every way".split("|")
        ),
    ),
    "you": (
        "affinity",
        tuple(
            "streamer|this guy|dude|my guy|bro|man|mate|host|you|buddy|boss|friend|pell|skipper|captain|cap|our pell|captain pell|"
            "our captain|dear pell|pelly|best captain".split("|")
        ),
    ),
    "fan": (
        "affinity",
        tuple(
            "first time here|just clicked on this|random recommendation|no idea who this is|new here|saw a clip once|"
            "seen one or two of these|back again i guess|watching on and off|been around a few weeks|"
            "here most fridays|never miss a friday|here since the lighthouse arc|here since the first boat|"
            "harbor crew for life|day one crew".split("|")
        ),
    ),
    "means": (
        "wealth",
        tuple(
            "skipping lunch to save up|phone screen is cracked|library wifi again|waiting for the sale|using the free trial|"
            "borrowed my sister's laptop|secondhand controller|missed the bus again|instant noodles again|payday is far away|"
            "homework first|shift starts at six|took the train home|got a weekend off|bought new socks|ordered pizza tonight|"
            "got the collector's edition|new monitor arrived|upgraded the whole desk|booked a hotel by the sea|"
            "flying out on monday|closing a deal tomorrow|got my bonus today|bought the whole merch drop|signed the house papers|"
            "the new car is here".split("|")
        ),
    ),
    "feel": (
        "mood",
        tuple(
            "so tired of today|annoyed honestly|kind of bored|in a bad mood|half asleep|not feeling it|a bit low|meh today|"
            "just vibing|doing okay|relaxed|feeling alright|pretty happy|smiling already|so happy today|"
            "over the moon|crying happy tears|best day in ages|heart is full".split("|")
        ),
    ),
    "laugh": (
        "humour",
        tuple(
            "ok|hm|right|heh|ha|haha|hehe|lol|lmao|rofl|LMAO|i am wheezing|i cannot breathe|DEAD".split("|")
        ),
    ),
    "very": (
        None,
        tuple("so|really|very|pretty|way too|kinda|super|actually|absolutely|quite|oddly|truly".split("|")),
    ),
    "wow": (
        None,
        tuple(
            "wow|oh no|omg|whoa|wait|no way|what|huh|yo|damn|bruh|oof|holy|welp|ayy|oh|dang|sheesh|"
            "yikes|gosh|jeez|ah|uh oh|oh my|good grief".split("|")
        ),
    ),
    "hype": (
        "mood",
        tuple(
            "rip|called it|oof|f|again|well|sure|ok then|there it is|clutch|pog|lets go|LETS GO|sooo good|"
            "i screamed|GOATED|what a moment|I AM SO PROUD|incredible|tears in my eyes".split("|")
        ),
    ),
    "time": (
        None,
        tuple(
            "today|again|now|tonight|this time|finally|last week|last stream|tomorrow|earlier|already|soon|"
            "next time|in the morning|for an hour|all day|since monday|every time|on friday|before the break".split(
                "|"
            )
        ),
    ),
    "who": (
        None,
        tuple(
            "chat|everyone|mods|my brother|my mom|my roommate|the editor|the other team|my dog|nobody|someone|"
            "my teacher|grandpa|the algorithm|half of chat|my cat|my friend|the devs|this npc|the whole crew".split(
                "|"
            )
        ),
    ),
    "lore": (
        None,
        tuple(
            "the soup incident|the lighthouse arc|the duck vote|the broken chair|the infamous left turn|the paper boat song|"
            "the four hour tutorial|the cursed subtitle|the pancake trial|the sock puppet era|the great mute of march|"
            "the two percent run|the goose contract|the moth speech|the salt treaty|the accidental raid".split(
                "|"
            )
        ),
    ),
    "goal": (
        None,
        tuple(
            "the goal bar|the new mic|the anniversary|the cover song|the charity night|the art book|the big raid|"
            "the marathon|the merch drop|the outfit reveal".split("|")
        ),
    ),
    "place": (
        None,
        tuple(
            "ohio|brazil|manila|leeds|berlin|osaka|toronto|mexico|seoul|warsaw|lisbon|oslo|perth|dublin|chile|"
            "texas|paris|taipei|jakarta|vienna|the train|my kitchen|the library|bed|a bus stop|the night shift".split(
                "|"
            )
        ),
    ),
    "num": (None, tuple("2 3 4 5 6 7 8 10 12 15 20 30 40 50 64 99 100 200 404 1000".split())),
    "cmd": (
        None,
        tuple(
            "!uptime !song !lurk !schedule !discord !deaths !boat !socials !time !quote !roll !clip".split()
        ),
    ),
    "thing": (
        None,
        tuple(
            "thumbnail|intro|voice|laugh|hat|plan|idea|music|chat|stream|timing|luck|face|overlay|title|joke|theory|"
            "reaction|story|pun|accent|strategy|mood|background|clip|highlight|moment|choice|sound|vibe".split(
                "|"
            )
        ),
    ),
}

# Custom emotes of the channel, from the cool to the fond; members only, as on YouTube.
EMOTES = tuple(
    f":_pell{name}:"
    for name in "Nope Salt Skull Think Sus Shrug Panic Sip Nod Lul Wave Boat Hype Clap Cozy Star Heart Love Hug".split()
)
# Emoji from the cool to the fond.
EMOJI = tuple("💀 🙄 😒 😐 🤔 😴 😱 🤣 😂 😭 👀 🔥 👏 🎉 😄 🙌 ✨ 😊 🌊 ⛵ 🌸 💪 🥹 🥰 💙 ❤️ 💖 🫶".split())

COPYPASTA = (
    "the boat does not sink, the harbor simply rises to greet it",
    "i have consulted the goose and the goose says left. it is always left. why do we never go left",
    "raise your paddle if you also came for the soup and stayed for the storm",
    "this is the captain speaking, please return your snacks to the upright position",
    "⛵⛵⛵ row row row ⛵⛵⛵ row row row ⛵⛵⛵",
    "imagine explaining this stream to a lighthouse keeper from 1840",
)

# What real chat throws at a program that shows it.
HOSTILE = (
    '<script>alert("ahoy")</script>',
    "<img src=x onerror=alert(1)>",
    "</td></tr></table><h1>free boats</h1>",
    "$x$ costs $5 and $\\frac{1}{0}$ is $$ nothing",
    "\\textbf{loud} _sub_ ^sup^ %s {0} {{name}}",
    "\u202egnola peels era uoy esruoc fo\u202c ok",
    "z\u0335\u0321a\u0334\u0327l\u0336\u0328g\u0338o\u0337 was here",
    "A" * 190,
    "ha" * 95,
    "!?" * 60,
    "Robert'); DROP TABLE messages;--",
    "=1+1 and +cmd and @SUM(A1:A9)",
    "NULL",
    "nan",
    "\u200b\u200b\u200b",
    "line one\nline two\tand a tab",
    "&lt;b&gt; &amp;amp; &#128512;",
    "https://example.com/?q=<b>&x=%00",
)

NAME_HEADS = tuple(
    "amber ash bay birch blue bramble brass brisk cedar chalk cinder clay cloud cobalt copper coral crisp dapple "
    "dawn dusk dusty echo ember faint fern flint foggy frost gale ginger gold gray hazel hollow honey humble icy "
    "indigo ink iron ivory jade jolly juniper keen lazy lemon lilac lime linen lucky lunar maple marble mellow "
    "mint misty moss muddy neon nimble noble nutmeg oak ochre odd olive onyx opal pale pearl pine plain plum "
    "polar pumpkin quick quiet rainy rapid red rose ruby rusty sable saffron salt sandy scarlet shy silent silver "
    "sleepy slow sly smoky snow soft solar spicy spruce steel stormy sunny tawny teal thistle tidal tiny topaz "
    "umber velvet violet wandering warm wild willow windy winter witty wooden woolly yellow zesty".split()
)
NAME_TAILS = tuple(
    "acorn anchor badger barnacle beacon beetle biscuit bobcat boat button cactus candle carp comet cricket crow "
    "cup cutlass dingo donut dove drake eel egret falcon ferret finch fox frog galleon gecko ghost goat goose gull "
    "hare harp heron hornet ibis jackal kestrel kettle kite koala lantern lark lemur lobster loon lynx magpie "
    "mango marmot marten mole moth muffin mule narwhal newt noodle oar octopus orca otter owl oyster paddle panda "
    "parrot peach pebble pelican penguin pickle pigeon piper plover pony puffin quail rabbit raccoon raven robin "
    "rook sailor salmon seal shark shrimp skipper sloth snail sock sparrow sprout squid stoat stork sturgeon swan "
    "tadpole teapot tern toad toast trout turnip turtle urchin vole walnut walrus weasel whale wombat wren yak".split()
)
