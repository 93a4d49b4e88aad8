"""Where our transforms differ from the tables of matcher_py, and why: one named, reasoned difference each.

`transforms.py` derives its tables from matcher_py and then applies these. The characters are data; the rules that use them stand beside
them in `transforms.py` under the same names. Who wants to know how `normalize` or `simplify` reads a character finds every surprise
here.
"""

REASONS: dict[str, str] = {
    "closed": "A table is applied until nothing changes (upstream reads ǣ as æ, but æ as ae): transforming twice equals transforming once.",
    "numerals": (
        "Chinese numerals stay characters. Upstream reads 一万 as 110000 and even 京 (capital, as in Beijing) as a number, so that a "
        "word with 10 would hit ordinary words."
    ),
    "ideographs": "A form that Unicode calls compatible with ideographs (⿝, ㈠, 參) becomes them, where upstream turns some into digits.",
    "case kept": (
        "normalize and emoji leave capitals capital: case is decided by case_sensitive alone (upstream's normalize always lowers)."
    ),
    "case pairs": (
        "A letter is read alike in all its cases, as the small letter is if that looks Latin, else as the capital. Upstream reads "
        "capital В as b but small в as itself: a Russian word would miss its own capitals."
    ),
    "marks": (
        "normalize drops combining accents: a letter with a combining accent equals the precomposed one, which upstream reads as the "
        "bare letter."
    ),
    "lost variants": (
        "Variants that matcher_py 0.5.4 simplified and 0.15.5 forgot (妳 to 你, 艹 for 艸) or sends to a character that nobody types."
    ),
    "not reversed": "Upstream swaps 么 and 幺, and turns the simplified 抬 into its traditional form.",
    "han only": (
        "Only ideographs and 〇 have a pinyin. Upstream also romanizes kana and Hangul, so that Korean text would hit Chinese words, and "
        "private use."
    ),
    "whole syllables": (
        "pinyin makes one symbol of a syllable. Upstream writes letters, so that xi an is found in xi ang (18 % of the hits on a Chinese "
        "novel)."
    ),
    "closed names": "An emoji's name ends with a blank: the fire emoji is not found in the fire engine's name.",
}
"""Every difference by its name."""

UNCHANGED_BY_SIMPLIFY = "么幺抬"
"""Characters that upstream changes though they are the simplified ones ("not reversed")."""

COMBINING_ACCENTS = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0x3099, 0x309A),
    (0xFE20, 0xFE2F),
    (0xFF9E, 0xFF9F),
)
"""Blocks of combining accents, the kana sound marks among them ("marks"); first and last code point."""

LOST_VARIANTS = (
    "⺁厂⺃乚⺇几⺊卜⺋㔾⺎兀⺒巳⺓幺⺙攵⺝月⺠民⺢水⻄西⻅见⻆角⻉贝⻋车⻓长⻔门⻘青⻙韦⻚页⻛风⻜飞⻝食⻢马⻣骨⻤鬼⻥鱼⻦鸟"
    "⻧卤⻨麦⻩黄⻬齐⻮齿⻰龙㒺罔㓂寇㕁却㕘参㕥以㘭坳㝛宿㝠冥㠀岛㠯以㠶帆㡌帽㢘廉㤙恩㥦惬㨗捷㨪晃㨿据㩗携㩦携㪚散㪟敦㬉暖㬪叠"
    "㯭橹㱃饮㳒法㴱深㼝碗㽞留㿜瘪䈰筲䊀糊䗬蜂䘏恤䘑脉䘚卒䛐词䛡话䝔獾䠶射䥥镰䬃飒䰟魂䳘鹅䶊衄丣卯乗乘乹乾亁乾亜亚亝斋亯享亱夜"
    "亷廉亾亡伕夫佀似俛俯俻备倂并倐倏倣仿値值倸睬偘侃偪逼偸偷偺咱傚效僊仙働动儅当儌侥儵倏儹攒兎兔兠兜冄冉冐冒冺泯凃涂凟渎凢凡"
    "凣凡処处凴凭刦劫刧劫刼劫剉锉剏创剙创剳札剹戮劄札劒剑効效勅敕勌倦勑敕勗勖勣绩勦剿匃丐匄丐匟炕匲奁匳奁匵椟厀膝厛厅厰厂叡睿"
    "吚咿呌叫呪咒咊和哢咔哶咩唕唣唘启唫吟啎忤啑喋啗啖啣衔喆哲喒咱喦岩嗁啼嘅慨嘑呼嘠嘎嘷嗥噅咴噉啖嚻嚣囓啮囘回囙因囬回囯国圅函"
    "坰垧坵丘坿附垜垛埛炯埜野埳坎堃坤堘塍堦阶堿碱塟葬塲场塼砖墖塔墝硗墪墩壄野壻婿夀寿夘卯妬妒妳你妷侄姉姊姙妊姪侄姸妍娬妩娿婀"
    "婣姻婬淫媍妇媮偷媿愧嫰嫩嬝袅嬭奶嬾懒孼孽宂冗宼寇寃冤寑寝寘置寳宝尅克尒尔尙尚尟鲜尠鲜尲尴屛屏岅坂峝峒峩峨崐昆崠岽崳嵛嶃崭"
    "巗岩巵卮帀匝帋纸帬裙帲帡幇帮幑徽幙幕幚帮庻庶庽寓廐厩廵巡廹迫廻回廼乃彊强彜彝徃往徧遍徬仿徳德徴征怱匆怳恍恠怪恡吝悤匆悳德"
    "惏婪惥恿惷蠢愽博慂恿慇殷慙惭慴慑慽戚憇憩懃勤懕恹懽欢戞戛戯戏戸户戹厄戼帽扞捍扡扦抝拗拏拿拕拖拚拼挐拿挵弄挿插捄救掽碰揑捏"
    "揫揪揷插揹背搆构搇揿搉榷搤扼搥捶搨拓搯掏搾榨摃扛摣揸撚捻撡操撦扯擕携擡抬擧举攩挡攷考敂叩敭扬敺驱斮斫斲斫斵斫旤祸旹时旾春"
    "昬昏昰是晳晰晻暗暎映暠皓暱昵曡叠朞期朢望朶朵枏楠枒丫柟楠柹柿栁柳栞刊栢柏栰筏桒桑桮杯桺柳梱捆棃梨棬桊椀碗椗碇椶棕椾笺楥楦"
    "楳梅槀稿槃盘槑梅槕桌槩概樷丛橜橛橤蕊橰槔檝楫檾苘櫂棹櫈凳櫺棂欑攒欝郁欬咳欵款歗啸歛敛殀夭毉医毘毗毧绒毬球氊毡氷冰氹凼汚污"
    "沍冱涖莅淛浙湣愍湻淳湼涅滛淫潄漱潟舄澁涩澂澄濇涩濬浚濶阔灋法炤照烖灾煆煅煇辉煑煮煖暖煗暖熈熙燄焰燐磷燿耀爗烨牋笺牎窗牐闸"
    "牓榜牕窗牠它牴抵犂犁犇奔狥徇猂悍猨猿獋嗥獘毙獧狷玅妙玆兹玨珏珎珍珮佩琍璃琖盏琯管琹琴瑇玳瑉珉瑠琉瑯琅璢瑠瓈璃瓌瑰甎砖甖罂"
    "甞尝畂亩畆亩畊耕畧略畮亩畱留疉叠疎疏疘肛疿痱痐蛔痳淋瘉愈瘖喑癄憔癅瘤皐皋皜皓皷鼓盇盍盌碗眎视眡视睠眷瞇眯瞖翳矁瞅矙瞰矴碇"
    "砲炮硏研硶碜碁棋碪砧磟碌礮炮祐佑祑帙祘算禩祀秊年秌秋秖只稉粳稬糯稭秸稺稚稾稿穅糠穉稚穨颓穽阱窓窗窰窑窻窗竚伫竝并竢俟筞策"
    "筦管筩筒筯箸箒帚箠棰篛箬篹纂簒篡簮簪籐藤籢奁籥钥粃秕粇糠粦磷粬曲粰麸粺稗糢模紥扎絏绁緍缗緐繁緜绵緤绁緥褓縂总縚绦縯演繈襁"
    "繐穗繖伞繙翻繦襁缾瓶罇樽罋瓮罏垆罸罚羗羌羢绒翄翅翶翱翺翱耑端耡锄聼听肎肯肐胳肦朌肧胚胊朐胐朏胷胸脃脆脇胁脗吻腁胼膁肷膓肠"
    "臈腊臋臀臒癯臕膘臙胭臝裸臯皋舖铺舩船艕膀艢樯艣橹艪橹艸艹芲花茘荔荳豆菑灾菓果萲萱葠参蓡参蓧莜蔆菱蔕蒂蔴麻蔾藜蕋蕊蕚萼蕿萱"
    "薙剃藷薯藼萱蘂蕊蘐萱蘓苏蘤花虁蘷虖呼虵蛇蚘蛔蛕蛔蜋螂蜖蛔蜨蝶蜺霓蝯猿蝱虻蝳玳螎融螘蚁螡蚊蟁蚊蟇蟆蠏蟹蠒茧蠭蜂衂衄衇脉衖弄"
    "衺邪袟帙袠帙袵衽裌袷裠裙裦褒褭袅襃褒襆幞襍杂襢袒覇霸覊羁覔觅覜眺覩睹覰觑覻觑觔斤觕粗觝抵訏吁訦谌詧察詶酬詽訮誖悖諐愆諠喧"
    "謌歌謼呼譆嘻譌讹譔撰讁谪讐雠讛呓谿溪豓艳豣豜貍狸貛獾賉恤賍赃賔宾賛赞賮赆賷赍賸剩贑赣趂趁跥跺跴踩跼局踁胫踡蜷踫碰蹏蹄蹔暂"
    "蹚趟蹧糟蹵蹴躭耽躰体躳躬躶裸輙辄輧軿輭软辠罪辢辣辤辞辳农迆迤迺乃迻移逈迥逥回逩奔逬迸遉侦遝沓遯遁邨村郃合郤郄鄕乡鄘墉酧酬"
    "醆盏醕醇醯酰醻酬醼宴釬焊鉄铁銕铁銲焊鋜镯鋻鉴鍫锹鍳鉴鎋辖鎗枪鎻锁鏚戚鑚钻鑛矿鑤刨鑪炉鑵罐閙闹関关閧哄闚窥阨厄阬坑阯址陗峭"
    "陻堙陿狭隂阴隄堤隖坞隣邻隷隶雝雍雰氛霛灵霤溜靣面靭韧靱韧鞉鼗鞌鞍鞵鞋鞾靴韈袜韤袜韮韭頟额頫俯顂赖顇悴顋腮顦憔颿帆飃飘飇飙"
    "飜翻飤饲餁饪餧喂餹糖餻糕餽馈饍膳饝馍駈驱駮驳騐验騗骗騣鬃驘骡骽腿骾鲠髈膀髣仿髥髯髩鬓鬀剃鬁疬鬉鬃鬦斗鬪斗鬭斗鮌鲧鱓鳝鴈雁"
    "鵞鹅鵶鸦鷰燕鷼鹇鸎莺鹻碱麅狍麐麟麞獐麤粗黒黑鼃蛙鼇鳌鼈鳖齇齄齩咬𠕂再𠕅再𠞰剿𡚁弊𡨥寇𤋮熙𤨏琐𤱈亩𤺥瘩𦍑羌𦕈眇𦵏葬𨽻隶𩓐脖"
)
"""Pairs of a variant and its simplified character ("lost variants"): what matcher_py 0.5.4 (MIT or Apache-2.0) mapped among ideographs."""
