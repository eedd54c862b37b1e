"""Sentences of the simulated chat in English, by what the writer intends.

`{n} {v} {ving} {a} {p} {ph}` are filled from the topic (noun, verb, its -ing form, adjective,
name, set phrase), `{@}` with somebody who wrote just now, `{emo}` with a custom emote, `{emj}`
with an emoji, everything else from `simulate_words.GENERAL`.
"""

from __future__ import annotations

__all__ = ["EVENT_PHRASES", "PAID_PHRASES", "PHRASES"]


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


PHRASES: dict[str, tuple[str, ...]] = {
    "short": _lines("""
        {wow}
        {laugh}
        {wow} {laugh}
        true
        same
        {warm}
        yes
        no
        yeah {laugh}
        that was {warm}
        this is {warm}
        {wow} the {n}
        {a} {n}
        the {n} {laugh}
        agreed
        fair enough
        {laugh} {laugh}
        {ph}
        1
        ???
        not the {n}
        {very} {warm}
        W {n}
        L {n}
        hm {ph}
    """),
    "topic": _lines("""
        the {n} looks {warm} {time}
        that {a} {n} is {very} {warm}
        {p} has the most {a} {n}
        i like the {a} {n} more than the {n}
        {wow} the {n} next to the {n}
        you have to {v} before the {n}
        {ving} the {n} is {very} {a}
        {ph}
        {ph} {laugh}
        {p} again {laugh}
        not the {a} {n} again
        the {n} is {a} but the {n} is {a}
        {who} would {v} the {n}
        {ving} and {ving} all day
        remember the {n} at {p}
        every {n} in {p} is {a}
        bought the {a} {n} for {num} gold
        sold {num} {n}s {time}
        that {n} costs more than the {n}
        needs more {n}
        less {ving} more {ving}
        {p} and the {a} {n}, name a better duo
        a {n} without a {n} is no {n}
        my favourite is the {a} {n}
        i would {v} the {n} first and then {v} the {n}
        there is a {a} {n} behind the {n}
        the {a} one is {warm}
        {n} number {num} was {warm}
        {p} is {warm}
        {v} it {v} it {v} it
    """),
    "question": _lines("""
        what is the {n} for
        why is the {n} so {a}
        can you {v} the {n}
        is {p} the one with the {a} {n}?
        how many {n}s are there
        which {n} is better, the {a} one or the other
        did you {v} the {n} {time}?
        does the {n} {v} by itself?
        when does the {n} come back
        where did the {n} go
        who is {p}
        wait what happened to the {n}
        what does {ph} even mean
        how long until {p}?
        is it always this {a}
        are we {ving} {time}?
        has anyone tried to {v} the {a} {n}
        what would happen if you {v} the {n}
    """),
    "praise": _lines("""
        {you} that was {warm}
        {you} you are {warm}
        you are doing {warm} {you}
        the {thing} is {very} {warm} {time}
        love the {thing} {you}
        your {thing} is {warm}
        {warm} {thing} {you}
        the way you {v} the {n} is {warm}
        proud of you {you} {emj}
        nobody can {v} the {n} like {you}
        {you} makes the {n} look easy
        we believe in you {you}
        you got this {you} {emj}
        take your time {you}
        {you} your {ving} got {very} better
        {very} {warm} stream {time} {emj}
        best {n} {you} has ever done
        {you} never fails to make {n}s {warm}
        i could watch {you} {v} for hours
    """),
    "thanks": _lines("""
        thank you {you}, {feel}
        thanks for the stream {you} {emj}
        {you} thank you for {ving} with us
        your streams got me through {time} {emj}
        this stream means a lot to me {you}
        i was {feel} and then you started {ving}
        thanks for the {n} {you}
        thanks {you}, needed this {time}
        so grateful for this crew {emj}
        my {n} days are better with you {you}
        watching you {v} calms me down {emj}
        thank you for being here every friday {you}
        you made {who} smile {you}
    """),
    "lore": _lines("""
        this is {lore} all over again
        i was there for {lore}
        {you} remember {lore}?
        {lore} will never be topped
        we need to talk about {lore}
        tell the new people about {lore}
        {fan}
        {fan} and still not over {lore}
        {fan}, the {n} never changes
        {fan} {emj}
        still waiting for part two of {lore}
        {lore} mentioned {emj}
        the {n} is canon since {lore}
        {goal} when {you}?
        so hyped for {goal}
        we are so close to {goal} {emj}
        {goal} is going to be {warm}
    """),
    "life": _lines("""
        {means}
        {means} {time}
        {means} so i am {feel}
        {means}, watching from {place}
        {means} {laugh}
        {means} and listening in
        {feel} {time}, {means}
        just got home, {means}
        {means}, so no {n} for me {time}
        brb {means}
        my week: {means}
        {means}, how is everyone
    """),
    "mood": _lines("""
        {feel}
        {feel} {time}
        i am {feel} {time}
        {feel} but the {n} helps
        {feel}, hello from {place}
        {who} is {feel} too
        today i am {feel}
        {feel} {emj}
        listening while {ving}, {feel}
        been {feel} since monday
    """),
    "joke": _lines("""
        {laugh} the {n} said no
        {who} is the real {n} {laugh}
        breaking news: {a} {n} seen at {p}
        what do you call a {a} {n}? {who} {laugh}
        my {n} could {v} better {laugh}
        plot twist, {who} is the {n}
        the {n} has left the chat
        {p} is my sleep paralysis demon {laugh}
        not {who} {ving} the {n} {laugh}
        instructions unclear, {ving} the {n}
        i {v} therefore i am {laugh}
        skill issue from the {n} {laugh}
        {laugh} {who} brought a {n} to a {n} fight
        sponsored by {p} {laugh}
        {num} iq move by the {n}
        the {n} owes {who} rent {laugh}
        in this economy? a {a} {n}? {laugh}
    """),
    "tease": _lines("""
        {you} you missed the {n}
        just {v} the {n} already {you}
        the {n} is right there {you}
        too slow {you}
        {you} cannot {v} to save a life
        this {n} is taking forever
        boring {n} {time}
        skip the {n} please
        the {thing} is too loud
        the {thing} was better {time}
        why would you {v} there {you}
        wrong {n} {you}
        {you} forgot the {n} again
        can we go back to the {n} instead
        i would have {v} there, easy
        stop {ving} and play {you}
        ads again, {feel}
    """),
    "social": _lines("""
        {@} same
        {@} true {laugh}
        {@} {ph}
        {@} no way
        {@} the {a} one
        {@} hi, how are you
        {@} i think it is the {n}
        {@} agreed, {very} {warm}
        {@} {laugh}
        {@} you mean the {n}?
        {@} welcome back
        {@} thank you friend
        {@} did you {v} it too?
        {@} from {place} here
        {@} ask {who}
        {@} {num} of them
        {@} that is {warm}
    """),
    "hello": _lines("""
        hi everyone
        hello {you}
        hello {you} {emj}
        good evening from {place}
        hi chat, {fan}
        hello {you}, {fan}
        just got here, what did i miss
        {fan}, hi
        evening crew {emj}
        made it in time for the {n}
        hey {you}, {feel}
        good morning from {place}
        hi, {means}
    """),
    "bye": _lines("""
        good night {you}
        good night everyone {emj}
        thanks for the stream {you}
        bye chat, {means}
        have to sleep, {feel}
        see you next time {you} {emj}
        this was {warm}, good night
        gotta go, take care {you}
        bye {emj}
        off to bed, the {n} wins
    """),
    "emote": _lines("""
        {emo}
        {emo}{emo}
        {emo} {emo} {emo}
        {emj}
        {emj}{emj}{emj}
        {emj}{emj}
        {emo} {emj}
        {wow} {emo}
        {emo} {ph}
    """),
    "command": _lines("""
        {cmd}
        {cmd}
        {cmd} {laugh}
        !guess {num}
        !vote {n}
    """),
}

# How chat answers an event; the first word of a kind is what most people write.
EVENT_PHRASES: dict[str, tuple[str, ...]] = {
    "victory": _lines("""
        gg
        GG
        {hype}
        {hype} {emj}
        gg {you}
        THE {n} IS DOWN
        first try {laugh}
        finally the {n}
        {you} did it
        {hype} {hype}
        clean
        {emo}{emo}{emo}
    """),
    "fail": _lines("""
        F
        rip
        {hype}
        {wow} not the {n}
        {laugh}
        pain
        so close
        the {n} got you {laugh}
        {wow} {emj}
        again
        {emo} {hype}
        next try you get it {you}
    """),
    "scare": _lines("""
        AAAAA
        {wow}
        {wow} {wow}
        my heart
        i jumped {laugh}
        {emj}{emj}
        headphone users {laugh}
        WHAT WAS THAT
        {hype}
        {emo}{emo}
        nope
        the {n} moved
    """),
    "funny": _lines("""
        {laugh}
        {laugh} {laugh}
        {laugh} {emj}
        clip it
        CLIP THAT
        the {thing} {laugh}
        i am on the floor {laugh}
        not the {n} {laugh}
        {emo}{emo}
        {laugh} the {a} {n}
        {hype}
    """),
    "reveal": _lines("""
        no way
        {wow}
        {hype}
        {goal}!!
        is it {goal}?
        i knew it
        {hype} {emj}
        {wow} the {n}
        {you} are you serious
        we are so back
        {emo}{emo}
        day one for me {emj}
    """),
    "raid": _lines("""
        welcome raiders
        hello raiders {emj}
        welcome everyone
        hi i came with the raid
        welcome in, we are {ving}
        raid raid raid
        {emo}{emo}{emo}
        welcome to the harbor {emj}
        {hype}
        new friends {emj}
    """),
    "song": _lines("""
        👏👏👏
        888888
        {hype}
        encore
        that {n} was {warm}
        {warm} {emj}
        goosebumps
        {you} your {thing} is {warm}
        {emo}{emo}
        clap clap clap
        one more
    """),
}

# Written on a Super Chat. Never an input of any model; kept apart for that reason.
PAID_PHRASES = _lines("""
    for the snack fund {you}
    happy {n} day {you} {emj}
    here is something for {goal}
    take this for the {n} {you}
    first super chat, hi {you} {emj}
    thank you for everything {you}
    keep up the {warm} work {you} {emj}
    for the crew {emj}
    congrats on the {n} {you}
    buy {who} a {n} from me
    {lore} tax
    read this in a {a} voice please
    {ph}
    question for {you}: {n} or {n}?
    {feel}, so here you go {you}
    greetings from {place} {emj}
    {emo}{emo}{emo}
    this is for {goal}, you can do it {you}
""")
