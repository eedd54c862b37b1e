"""Words and sentences of the simulated chat in Japanese; the same slots as in English.

A topic's rows are nouns, verbs (dictionary form of suru-verbs' stems), adjectives, names and
set phrases. Tilted lists go from the low end of a trait to the high end.
"""

from __future__ import annotations

__all__ = ["EVENT_PHRASES_JA", "GENERAL_JA", "NAMES_JA", "PAID_PHRASES_JA", "PHRASES_JA", "TOPICS_JA"]

_TOPIC_ROWS = """
boss=ボス 盾 回復 剣 毒 鎧 霧 騎士 しっぽ 体力|回避 攻撃 防御 突撃 撤退|強い 理不尽な でかい 硬い 速い|王様 古い門 沈んだ城|欲張らないで 左手に注意 あと一撃
farm=かぶ 畑 にわとり 牛 果樹園 種 かぼちゃ 温室 井戸 柵|収穫 水やり 出荷 種まき 草むしり|のどかな 甘い 大きい 小さい 眠い|クローバー村 ピム町長 苔の市場|雨が降った もう一日だけ からすが来た
cooking=玉ねぎ バター 鍋 にんにく 包丁 卵 きのこ スープ 小麦粉 生姜|味見 料理 仕込み 味付け 盛り付け|おいしい 辛い 焦げた しょっぱい 熱い|赤い鍋 港のシチュー モロー料理長|塩を入れて 弱火でお願い お腹すいた
karaoke=サビ マイク バラード 高音 歌詞 リズム ハモリ 伴奏 曲 声|熱唱 合唱 練習 選曲 アンコール|きれいな 切ない 懐かしい 優しい かっこいい|紙の月 硝子の港 真夜中のフェリー|もう一曲 声がいい 鳥肌
drawing=線画 下書き 色 影 筆 背景 手 髪 目 構図|塗り 配色 清書 模写 反転|細かい 淡い 鮮やかな 雑な かわいい|狐のアトリエ 青い帳面 羽ペン先生|保存して 手は難しい 左右反転して
horror=廊下 懐中電灯 人形 影 鏡 地下室 悲鳴 足音 鍵 霧|探索 逃走 潜入 隠密 確認|怖い 暗い 不気味な 静かな 古い|七号棟 黒沼の館 泣く階段|後ろ後ろ 開けないで むりむりむり
racing=コーナー タイヤ エンジン ブレーキ 周回 直線 燃料 順位 ハンドル 表彰台|加速 減速 追い抜き ドリフト 停止|速い 滑る 狭い きれいな 危ない|塩湖サーキット 鉄のヘアピン 松林コース|内側空いてる ブレーキ遅い 最後の一周
puzzle=パズル レバー 石像 鏡 暗号 扉 歯車 模様 数字 床|回転 推理 計算 操作 再挑戦|難しい 簡単な 怪しい 賢い 複雑な|第十一の間 静かな立方体 硝子のそろばん|逆から見て メモを読んで 壁に答えがある
travel=電車 空港 海 山 地図 宿 博物館 船 島 市場|旅行 散歩 登山 観光 撮影|遠い 寒い 静かな 美しい 安い|キャロウェイ港 オルラ島 古い路面電車|窓側がいい 春がおすすめ 荷物が多い
pets=ねこ いぬ しっぽ 肉球 毛布 おやつ 首輪 うさぎ かめ ひげ|昼寝 散歩 毛づくろい 抱っこ 餌やり|ふわふわな 眠い 小さい 丸い わがままな|ビスケット ワッフル にゃん卿|ねこ様かわいい おやつの時間 しっぽ出てる
space=ロケット 軌道 燃料 月 衛星 酸素 基地 探査機 重力 彗星|発射 着陸 帰還 修理 観測|遠い 静かな 冷たい 巨大な 不安定な|コルヴィド基地 琥珀の帯 ターンの月|パラシュート忘れた 発射成功 燃料が足りない
building=屋根 塔 壁 城 窓 橋 たいまつ つるはし 庭 階段|建築 採掘 整地 装飾 収集|高い 四角い 斜めな おしゃれな 巨大な|空の橋 土の宮殿 マフィン砦|真下掘りだめ 明るくして 窓が足りない
language=文法 単語 発音 辞書 漢字 母音 敬語 宿題 方言 例文|翻訳 暗記 勉強 復習 音読|難しい 丁寧な 変な 長い 似てる|第十二課 緑の教科書 アヌーク先生|ゆっくり言って 舌を噛んだ 発音いいね
speedrun=区間 記録 バグ 壁抜け 乱数 短縮 タイマー 操作 周回 更新|短縮 練習 再走 更新 暗記|速い 安定な 危ない 完璧な 惜しい|きのこ一面 第四世界 地下抜け|記録更新 まだ諦めない 三秒勝ってる
weather=雨 雪 傘 夕焼け 雷 風 霧 台風 虹 桜|お花見 雨宿り 洗濯 雪かき 散歩|寒い 暑い 涼しい きれいな 蒸し暑い|北の桟橋 楡の谷 潮岬|こっちは大雨 暖かくしてね 空がきれい
snacks=お茶 珈琲 せんべい 団子 ラーメン チョコ 飴 パン 餅 ケーキ|食事 休憩 注文 夜食 おかわり|甘い 辛い 熱い 冷たい おいしい|深夜の冷蔵庫 金の匙 波止場食堂|水分とって おやつ休憩 飯テロ
hardware=マイク 画面 配線 机 椅子 音量 回線 電池 照明 鍵盤|再起動 配信 更新 設定 録画|静かな 重い 新しい 古い 熱い|静音九号 青い鍵盤 配線の妖精|音ずれてる ミュートだよ 画面が止まった
books=小説 章 表紙 主人公 作者 続編 結末 図書館 竜 伏線|読書 執筆 朗読 再読 考察|長い 切ない 面白い 分厚い 意外な|九つの灯 塩の地図 鍵の冬|ネタバレ禁止 最終章で泣いた 二回読んだ
gym=筋肉 腹筋 試合 監督 走り込み 自転車 球 優勝 準備体操 水|運動 応援 特訓 柔軟 休憩|きつい 重い 強い 惜しい 速い|門前公園 川辺チーム 鉄の部屋|準備運動して 水飲んで 今日は脚の日
workday=会議 締切 仕事 試験 授業 残業 宿題 電車 上司 週末|出勤 提出 勉強 徹夜 早退|眠い 長い 忙しい つらい 無事な|月曜日 三号館 夜勤|あと五分 もうすぐ金曜 今日も残業
fishing=竿 餌 湖 鮭 糸 針 船 桟橋 影 網|釣り 待機 移動 遠投 放流|大きい 珍しい 静かな 深い 逃げた|黄金の鯉 九番桟橋 老ひげ|引いて引いて また長靴 逃げられた
detective=証拠 犯人 手紙 執事 動機 指紋 屋敷 証言 手袋 帳簿|推理 尋問 捜査 告白 尾行|怪しい 秘密の 嘘っぽい 完璧な 古い|マーロウ警部 鴉の館 ハーコート夫人|犯人は執事 時計が変 異議あり
cards=手札 山札 魔法 呪い 遺物 金貨 切り札 罠 店 召喚|連鎖 交換 購入 強化 勝負|強い 弱い 高い 安い 珍しい|商人オッゾ 砂の魔術師 十三の山札|次で勝ち 引きが強い 遺物買おう
""".strip().splitlines()

TOPICS_JA: dict[str, tuple[tuple[str, ...], ...]] = {
    row.split("=")[0]: tuple(tuple(part.split()) for part in row.split("=")[1].split("|"))
    for row in _TOPIC_ROWS
}

GENERAL_JA: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "warm": ("warmth", tuple("微妙 びみょう ふつう まあまあ 悪くない いいね いい感じ すごい 楽しい 素敵 最高 かわいい 癒される 尊い 大好き 世界一".split())),
    "you": ("affinity", tuple("この人 配信者 主 お兄さん ペル ペルさん 船長 キャプテン ペル船長 船長さん われらの船長 大好きな船長".split())),
    "fan": ("affinity", tuple("初見です 初めて来ました おすすめから来ました 切り抜きで知りました 二回目です たまに見てます 最近よく見てます 毎週見てます 古参です 灯台編からいます 初配信からいます 一生ついていきます".split())),
    "means": ("wealth", tuple("金欠 節約中 もやし生活 給料日まだ セール待ち 中古で買った バイト前 宿題しながら 電車の中 仕事帰り 休憩中 出張中 ボーナス出た グッズ全部買った 新しい画面届いた 限定版届いた 海の宿を予約した 新車来た".split())),
    "feel": ("mood", tuple("疲れた しんどい 眠い だるい ひま ぼちぼち のんびり 落ち着く 元気 楽しい わくわく 幸せ うれしい 泣くほどうれしい 今日も最高".split())),
    "laugh": ("humour", tuple("ほう なるほど うん ふふ 笑 (笑) 草 w ww www wwww 大草原 腹痛い".split())),
    "very": (None, tuple("めっちゃ すごく 本当に とても かなり ちょっと まじで やっぱり".split())),
    "wow": (None, tuple("え おお うわ やば まじか あ えぇ すご ひえ わあ きた おっ".split())),
    "hype": ("mood", tuple("あーあ どんまい うん きた おおお ナイス やった すごい 88888 神 最高すぎる 泣いた 感動した".split())),
    "time": (None, tuple("今日 今 また さっき 今夜 昨日 来週 前回 毎回 明日 最近 朝から".split())),
    "who": (None, tuple("みんな うちの猫 妹 友達 コメント欄 編集さん 先生 モデさん おじいちゃん 隣の人".split())),
    "lore": (None, tuple("スープ事件 灯台編 あひる投票 壊れた椅子 紙の舟の歌 四時間の説明 パンケーキ裁判 靴下人形時代 がちょう契約 塩の条約".split())),
    "goal": (None, tuple("目標 新しいマイク 周年 歌ってみた 画集 耐久 グッズ お披露目".split())),
    "place": (None, tuple("大阪 北海道 九州 東京 京都 台所 布団 電車 図書館 夜勤".split())),
    "num": (None, tuple("2 3 5 8 10 20 100 1000".split())),
    "cmd": (None, tuple("!uptime !song !lurk !schedule !boat !time".split())),
    "thing": (None, tuple("声 笑い方 話 歌 帽子 髪型 作戦 背景 選曲 サムネ 反応 雰囲気".split())),
}  # fmt: skip


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


PHRASES_JA: dict[str, tuple[str, ...]] = {
    "short": _lines("{wow}\n{laugh}\n{wow}{laugh}\nそれな\nわかる\n{warm}\n{very}{warm}\n{a}{n}\n{ph}\n{n}{laugh}\n？？？\nたしかに\nはい\n違う"),
    "topic": _lines("{n}が{warm}\n{a}{n}だ\n{p}の{n}は{warm}\n{n}より{n}が好き\n{time}も{v}してる\n{v}してから{n}\n{ph}\n{ph}{laugh}\n{p}また来た\n{a}{n}の横に{n}\n{n}を{v}したい\n{n}は{num}個いる\n{n}を{num}金貨で買った\n{p}といえば{n}"),
    "question": _lines("{n}って何？\nなんで{a}{n}なの\n{v}できる？\n{p}ってどこ？\n{n}はいくつある？\n{time}{v}した？\n{n}どこいった\n{n}と{n}どっちがいい？\nいつ{v}するの"),
    "praise": _lines("{you}{warm}\n{you}の{thing}{warm}\n{time}の{thing}{very}{warm}\n{v}うまいね{you}\n{you}がんばって{emj}\n{you}ならできる\n{thing}が{warm}{emj}\n{you}の{v}が一番{warm}"),
    "thanks": _lines("{you}ありがとう{emj}\n{you}いつも配信ありがとう\n{feel}だったけど配信見て元気出た\n{you}のおかげで{time}もがんばれる\nこの配信に救われてる{emj}\n{n}ありがとう{you}\n{you}に出会えてよかった"),
    "lore": _lines("{lore}を思い出す\n{lore}のときもいた\n{you}{lore}覚えてる？\n{lore}また見たい\n{fan}\n{fan}{emj}\n{fan}、{n}は変わらないな\n{goal}楽しみ\n{goal}もうすぐだ{emj}\n{lore}は伝説"),
    "life": _lines("{means}\n{means}だけど来た\n{means}、{feel}\n{means}{laugh}\n{place}から見てる、{means}\n{time}は{means}\n{means}なので耳だけ"),
    "mood": _lines("{feel}\n{time}{feel}\n{feel}だけど{n}で元気出た\n{feel}{emj}\n{place}から、{feel}\n{v}しながら聞いてる、{feel}"),
    "joke": _lines("{n}「いやです」{laugh}\n{who}が{n}だった{laugh}\n{n}に負ける{who}{laugh}\n速報：{p}に{a}{n}\n{v}とは{laugh}\n{n}が本体{laugh}\n提供は{p}{laugh}"),
    "tease": _lines("{you}{n}見逃してる\n早く{v}して\n{n}そこにあるよ{you}\n{you}遅い\n{n}長い\n{thing}うるさい\nまた{n}忘れてる\n{n}に戻ろうよ\nそこで{v}はない"),
    "social": _lines("{@} わかる\n{@} それな{laugh}\n{@} {ph}\n{@} {n}のこと？\n{@} おかえり\n{@} ありがとう\n{@} {a}ほう\n{@} {very}{warm}"),
    "hello": _lines("こんばんは\nこんばんは{you}\n{you}こんばんは{emj}\n{fan}こんばんは\n{place}からこんばんは\n間に合った\nおつかれさま、{feel}\n{fan}"),
    "bye": _lines("おやすみ{you}\nおつかれさま{emj}\nまた来週{you}{emj}\n{you}ありがとう、おやすみ\n{feel}なので寝ます\n{means}なので落ちます\nおつ"),
    "emote": _lines("{emo}\n{emo}{emo}\n{emj}\n{emj}{emj}{emj}\n{emo}{emj}\n{wow}{emo}"),
    "command": _lines("{cmd}\n!vote {n}\n!guess {num}"),
}  # fmt: skip

EVENT_PHRASES_JA: dict[str, tuple[str, ...]] = {
    "victory": _lines("gg\nGG\n{hype}\n{hype}{emj}\nおめでとう\n88888\n{you}やった\n{emo}{emo}"),
    "fail": _lines("あ\nあーあ\n{hype}\nどんまい\n{laugh}\n惜しい\n{n}に負けた{laugh}\n{emo}"),
    "scare": _lines("ぎゃああ\n{wow}\nびっくりした\n心臓止まる\n{emj}{emj}\n{hype}\n{n}動いた"),
    "funny": _lines("{laugh}\n{laugh}{emj}\n草\nwww\n切り抜いて\n{n}{laugh}\n{emo}{emo}"),
    "reveal": _lines("まじか\n{wow}\n{hype}\n{goal}きた\n知ってた\n{hype}{emj}\n{emo}{emo}"),
    "raid": _lines("いらっしゃい\nようこそ\nレイドきた\nいらっしゃい{emj}\n{v}してるよ\n{emo}{emo}"),
    "song": _lines("888888\n👏👏👏\n{hype}\nアンコール\n{warm}{emj}\n声が{warm}\n{emo}{emo}\n鳥肌"),
}

PAID_PHRASES_JA = _lines(
    "{you}いつもありがとう{emj}\n{goal}の足しに\n{n}代です\n初スパチャです{emj}\n{lore}税\n{you}おめでとう{emj}\n"
    "{n}と{n}どっちが好き？\n{feel}のでどうぞ\n{place}から応援してます{emj}\nおやつ代{you}\n{emo}{emo}"
)

NAMES_JA = tuple(
    "みかん かもめ しじみ ひよこ うみねこ とうふ こんぶ くじら らっこ すだち もなか きなこ あんこ つばめ こはく さざなみ "
    "ほたる わかめ たぬき ふぐ しらす ゆず かえで あずき なぎさ".split()
)
