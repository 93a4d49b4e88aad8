"""The neutral words of the sample world, in both languages: what everybody talks about when nothing is planted.

No word list of the examples may hit a text made of these words (a test proves it): the characters and words that are planted occur in
`plants.py` alone.
"""

from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ENGLISH = _words(
    """
    the a and of to in on with for this that we they you it was is are today yesterday morning evening week month again maybe always never
    often quite very rather small large old new green blue red yellow quiet loud slow quick early late warm cold bright dark simple strange
    house garden street river bridge station market corner window door table chair lamp clock mirror bottle basket blanket candle letter
    parcel ticket wallet pencil notebook camera picture radio engine wheel ladder hammer bucket rope curtain carpet pillow
    dog cat horse bird rabbit turtle fox sheep duck goose spider beetle owl
    tree flower leaf branch forest meadow field hill valley lake pond island beach cloud rain snow wind storm thunder fog moon star sky
    neighbour friend sister brother uncle cousin farmer painter tailor driver singer dancer pilot nurse judge mayor guest stranger
    asked told called waited walked looked found lost kept opened closed moved turned carried painted repaired planted watched listened
    wondered remembered forgot decided started stopped finished agreed
    music song violin drum piano story poem chapter letterbox museum theatre cinema library concert festival parade puzzle chess
    saturday sunday monday winter spring summer autumn january april october
    coffee tea milk honey apple pear cherry lemon carrot onion pepper cheese butter soup salad
    jacket scarf mitten sweater button pocket umbrella
    around behind between under over near far left right inside outside along across until while because although
    something nothing everyone somebody nobody perhaps almost already still soon once twice
    """
)

CHINESE = _words(
    """
    今天 昨天 早晨 晚上 星期 春天 夏天 秋天 冬天 最近 以前 后来 忽然 已经 还是 因为 所以 虽然 但是 或者 如果 非常 有点 一些 许多
    我们 他们 大家 朋友 邻居 姐姐 弟弟 叔叔 孩子 老人 医生 司机 画家 歌手 农民 客人
    房子 花园 街道 小河 石桥 车站 市场 窗户 桌子 椅子 台灯 时钟 镜子 瓶子 篮子 毛毯 蜡烛 信封 包裹 铅笔 相机 收音 轮子 梯子 水桶 绳子
    小狗 小猫 兔子 乌龟 狐狸 山羊 鸭子 蜘蛛 蝴蝶
    大树 鲜花 树叶 森林 草地 田野 山坡 湖水 池塘 小岛 沙滩 白云 下雨 下雪 大风 雷声 月亮 星星 天空
    问起 告诉 等待 走过 发现 丢失 打开 关闭 转身 搬运 修理 观察 听见 想起 忘记 决定 开始 停止 完成 同意
    音乐 歌曲 小提琴 鼓声 钢琴 故事 诗歌 博物馆 剧院 电影 图书馆 节日 象棋 拼图
    咖啡 绿茶 牛奶 蜂蜜 苹果 梨子 樱桃 柠檬 萝卜 洋葱 胡椒 奶酪 黄油 热汤
    外套 围巾 手套 毛衣 纽扣 口袋 雨伞
    红色 蓝色 绿色 黄色 安静 热闹 缓慢 迅速 温暖 寒冷 明亮 黑暗 简单 奇怪 大的 小的 旧的 新的
    旁边 后面 中间 下面 上面 附近 里面 外面 对面 ， ， 。 的 是 在 和 也 就 都 很
    """
)

CITIES = {
    "aurora": ("Dublin", "Leeds", "Boston", "Toronto", "Perth", "Auckland", "Berlin", "Austin"),
    "lotus": ("北京", "上海", "成都", "广州", "杭州", "西安", "昆明", "大连"),
}
DEVICES = ("phone", "tablet", "desktop", "television")
TAGS = {
    "aurora": ("daily", "life", "weekend", "family", "city", "nature", "vintage", "review", "question", "video"),
    "lotus": ("日常", "生活", "周末", "家庭", "城市", "自然", "复古", "点评", "提问", "视频"),
}
RISKS = ("low", "medium", "high")
AGE_GROUPS = ("teen", "young_adult", "adult", "senior")
NAME_FIRST = {
    "aurora": ("quiet", "green", "early", "little", "bright", "slow", "blue", "old"),
    "lotus": ("安静", "绿色", "早起", "小小", "明亮", "缓慢", "蓝色", "复古"),
}
NAME_LAST = {
    "aurora": ("river", "fox", "lamp", "harbour", "owl", "window", "cloud", "pear"),
    "lotus": ("小河", "狐狸", "台灯", "小岛", "蝴蝶", "窗户", "白云", "苹果"),
}


@dataclass(frozen=True)
class Language:
    """How a product's texts are made: its neutral words and what stands between words."""

    words: tuple[str, ...]
    separator: str


LANGUAGES = {"aurora": Language(ENGLISH, " "), "lotus": Language(CHINESE, "")}
