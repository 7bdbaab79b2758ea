//! The phrases of outlines, in ten languages. A topic may be a title, a question or a sentence, so
//! templates put it before or after a colon, where each of these is grammatical.

/// The phrases of one language. `{topic}` is replaced by the topic.
pub(super) struct Phrases {
    /// Words in a second of espeak-ng at the default rate, measured with these phrases. A Chinese
    /// or Japanese character counts as a word.
    pub pace: f64,
    /// For the first scene.
    pub open: [&'static str; 2],
    /// For the scenes between.
    pub body: [&'static str; 6],
    /// For the last scene.
    pub close: [&'static str; 2],
    pub hooks: [&'static str; 5],
    /// Words that address the viewer, in lower case.
    pub address: &'static [&'static str],
}

/// The phrases of all languages.
pub(super) const ALL: [&Phrases; 10] = [
    &ENGLISH,
    &GERMAN,
    &SPANISH,
    &FRENCH,
    &PORTUGUESE,
    &RUSSIAN,
    &ARABIC,
    &HINDI,
    &CHINESE,
    &JAPANESE,
];

/// Returns the phrases of a language by its first subtag, or the English ones.
pub(super) fn of(language: &str) -> &'static Phrases {
    match language {
        "de" => &GERMAN,
        "es" => &SPANISH,
        "fr" => &FRENCH,
        "pt" => &PORTUGUESE,
        "ru" => &RUSSIAN,
        "ar" => &ARABIC,
        "hi" => &HINDI,
        "cmn" | "zh" => &CHINESE,
        "ja" => &JAPANESE,
        _ => &ENGLISH,
    }
}

const ENGLISH: Phrases = Phrases {
    pace: 2.9,
    open: ["Today: {topic}.", "Let's take a closer look, from the very beginning."],
    body: [
        "First, what is it about? Here is the short answer, in plain words.",
        "Why does it matter? Think of who meets it every day, and what it changes.",
        "How does it work? Step by step, one thing leads to the next.",
        "Take an example that everyone has seen, and look at it once more.",
        "What do most people get wrong about it? Often it is the simplest part.",
        "And what can you try yourself, now that you know?",
    ],
    close: ["That was: {topic}.", "Thank you for watching, and see you next time."],
    hooks: [
        "{topic}: what nobody tells you.",
        "{topic}, explained in under a minute.",
        "{topic}: three things that will surprise you.",
        "{topic}? You have been wrong about it, and here is why.",
        "Before you scroll on: {topic}.",
    ],
    address: &["you", "your", "yours", "yourself"],
};

const GERMAN: Phrases = Phrases {
    pace: 2.6,
    open: ["Heute geht es um: {topic}.", "Sehen wir es uns von Anfang an genauer an."],
    body: [
        "Zuerst: Worum geht es? Hier ist die kurze Antwort, in einfachen Worten.",
        "Warum ist das wichtig? Denken Sie daran, wer jeden Tag damit zu tun hat.",
        "Wie funktioniert es? Schritt für Schritt führt eins zum anderen.",
        "Nehmen wir ein Beispiel, das jeder kennt, und sehen noch einmal hin.",
        "Was verstehen die meisten falsch? Oft ist es gerade der einfachste Teil.",
        "Und was können Sie jetzt selbst ausprobieren?",
    ],
    close: ["Das war: {topic}.", "Danke fürs Zuschauen und bis zum nächsten Mal."],
    hooks: [
        "{topic}: was Ihnen niemand sagt.",
        "{topic}, in weniger als einer Minute erklärt.",
        "{topic}: drei Dinge, die Sie überraschen werden.",
        "{topic}? Damit lagen Sie bisher falsch, und hier ist der Grund.",
        "Bevor Sie weiterscrollen: {topic}.",
    ],
    address: &["du", "dich", "dir", "dein", "deine", "ihr", "euch", "sie", "ihnen", "ihre"],
};

const SPANISH: Phrases = Phrases {
    pace: 2.8,
    open: ["Hoy: {topic}.", "Vamos a verlo de cerca, desde el principio."],
    body: [
        "Primero, ¿de qué se trata? Esta es la respuesta corta, en palabras sencillas.",
        "¿Por qué importa? Piensa en quién lo encuentra cada día y en lo que cambia.",
        "¿Cómo funciona? Paso a paso, una cosa lleva a la siguiente.",
        "Tomemos un ejemplo que todos conocen y mirémoslo otra vez.",
        "¿Qué entiende mal la mayoría? Muchas veces es la parte más sencilla.",
        "¿Y qué puedes probar tú, ahora que lo sabes?",
    ],
    close: ["Esto fue: {topic}.", "Gracias por ver el video, y hasta la próxima."],
    hooks: [
        "{topic}: lo que nadie te cuenta.",
        "{topic}, explicado en menos de un minuto.",
        "{topic}: tres cosas que te sorprenderán.",
        "¿{topic}? Estabas equivocado, y esta es la razón.",
        "Antes de seguir deslizando: {topic}.",
    ],
    address: &["tú", "te", "ti", "tu", "tus", "usted", "ustedes", "vosotros"],
};

const FRENCH: Phrases = Phrases {
    pace: 2.9,
    open: ["Aujourd'hui : {topic}.", "Regardons cela de plus près, depuis le début."],
    body: [
        "D'abord, de quoi s'agit-il ? Voici la réponse courte, en mots simples.",
        "Pourquoi est-ce important ? Pensez à ceux qui le rencontrent chaque jour.",
        "Comment cela marche-t-il ? Pas à pas, une chose mène à l'autre.",
        "Prenons un exemple que tout le monde connaît, et regardons encore une fois.",
        "Que comprend-on souvent mal ? C'est parfois la partie la plus simple.",
        "Et que pouvez-vous essayer, maintenant que vous savez ?",
    ],
    close: ["C'était : {topic}.", "Merci d'avoir regardé, et à la prochaine fois."],
    hooks: [
        "{topic} : ce que personne ne vous dit.",
        "{topic}, expliqué en moins d'une minute.",
        "{topic} : trois choses qui vont vous surprendre.",
        "{topic} ? Vous aviez tort, et voici pourquoi.",
        "Avant de continuer à défiler : {topic}.",
    ],
    address: &["vous", "votre", "vos", "tu", "toi", "ton", "tes"],
};

const PORTUGUESE: Phrases = Phrases {
    pace: 2.6,
    open: ["Hoje: {topic}.", "Vamos olhar mais de perto, desde o começo."],
    body: [
        "Primeiro, do que se trata? Aqui está a resposta curta, em palavras simples.",
        "Por que isso importa? Pense em quem encontra isso todos os dias.",
        "Como funciona? Passo a passo, uma coisa leva à outra.",
        "Vamos pegar um exemplo que todos conhecem e olhar mais uma vez.",
        "O que a maioria entende errado? Muitas vezes é a parte mais simples.",
        "E o que você pode experimentar, agora que já sabe?",
    ],
    close: ["Foi: {topic}.", "Obrigado por assistir, e até a próxima."],
    hooks: [
        "{topic}: o que ninguém lhe conta.",
        "{topic}, explicado em menos de um minuto.",
        "{topic}: três coisas que vão surpreender você.",
        "{topic}? Você estava enganado, e este é o motivo.",
        "Antes de continuar rolando: {topic}.",
    ],
    address: &["você", "vocês", "tu", "te", "seu", "sua", "lhe"],
};

const RUSSIAN: Phrases = Phrases {
    pace: 2.3,
    open: ["Сегодня: {topic}.", "Давайте посмотрим внимательнее, с самого начала."],
    body: [
        "Сначала: о чём идёт речь? Вот короткий ответ простыми словами.",
        "Почему это важно? Подумайте, кто встречается с этим каждый день.",
        "Как это работает? Шаг за шагом одно ведёт к другому.",
        "Возьмём пример, который видел каждый, и посмотрим ещё раз.",
        "Что чаще всего понимают неверно? Нередко самое простое.",
        "А что теперь можете попробовать вы сами?",
    ],
    close: ["Это было: {topic}.", "Спасибо за просмотр и до новой встречи."],
    hooks: [
        "{topic}: то, о чём вам никто не говорит.",
        "{topic}: объясняем меньше чем за минуту.",
        "{topic}: три вещи, которые вас удивят.",
        "{topic}? Вы ошибались, и вот почему.",
        "Прежде чем листать дальше: {topic}.",
    ],
    address: &["вы", "вас", "вам", "ваш", "ваша", "ты", "тебя", "тебе", "твой"],
};

const ARABIC: Phrases = Phrases {
    pace: 1.9,
    open: ["موضوع اليوم: {topic}.", "لننظر إليه عن قرب، من البداية."],
    body: [
        "أولا، ما هو؟ إليك الجواب القصير بكلمات بسيطة.",
        "لماذا هو مهم؟ فكر في من يصادفه كل يوم وما الذي يغيره.",
        "كيف يعمل؟ خطوة بعد خطوة، كل شيء يقود إلى ما بعده.",
        "خذ مثالا رآه الجميع، وانظر إليه مرة أخرى.",
        "ما الذي يخطئ فيه معظم الناس؟ غالبا هو أبسط جزء.",
        "وماذا يمكنك أن تجرب الآن بعد أن عرفت؟",
    ],
    close: ["كان هذا: {topic}.", "شكرا على المشاهدة، وإلى اللقاء."],
    hooks: [
        "{topic}: ما لا يخبرك به أحد.",
        "{topic}: شرح في أقل من دقيقة.",
        "{topic}: ثلاثة أشياء ستفاجئك.",
        "{topic}؟ كنت مخطئا، وإليك السبب.",
        "قبل أن تتابع التمرير: {topic}.",
    ],
    address: &["أنت", "أنتم", "لك", "لكم", "إليك", "عليك", "معك"],
};

const HINDI: Phrases = Phrases {
    pace: 2.4,
    open: ["आज का विषय: {topic}।", "आइए इसे शुरू से ध्यान से देखें।"],
    body: [
        "सबसे पहले, यह क्या है? सरल शब्दों में छोटा सा उत्तर।",
        "यह क्यों ज़रूरी है? सोचिए, हर दिन इससे किसका सामना होता है।",
        "यह कैसे काम करता है? एक एक कदम करके बात आगे बढ़ती है।",
        "एक ऐसा उदाहरण लीजिए जो सबने देखा है, और फिर से देखिए।",
        "ज़्यादातर लोग क्या गलत समझते हैं? अक्सर सबसे सरल बात।",
        "और अब आप खुद क्या आज़मा सकते हैं?",
    ],
    close: ["यह था: {topic}।", "देखने के लिए धन्यवाद, फिर मिलेंगे।"],
    hooks: [
        "{topic}: जो आपको कोई नहीं बताता।",
        "{topic}: एक मिनट से कम में।",
        "{topic}: तीन बातें जो आपको चौंका देंगी।",
        "{topic}? आप अब तक गलत थे, और यह है कारण।",
        "आगे बढ़ने से पहले: {topic}।",
    ],
    address: &["आप", "आपको", "आपका", "आपकी", "आपके", "तुम", "तुम्हें", "तुम्हारा"],
};

const CHINESE: Phrases = Phrases {
    pace: 2.3,
    open: ["今天的话题：{topic}。", "让我们从头看起。"],
    body: [
        "首先，这是什么？用简单的话来说明。",
        "为什么重要？想一想谁每天都会遇到它。",
        "它是怎样发生的？一步一步来看。",
        "举一个大家都见过的例子，再看一遍。",
        "大多数人误会了什么？往往是最简单的部分。",
        "现在你知道了，可以自己试一试什么？",
    ],
    close: ["这就是：{topic}。", "谢谢观看，下次再见。"],
    hooks: [
        "{topic}：没有人告诉你的事。",
        "{topic}：一分钟讲清楚。",
        "{topic}：三件让你惊讶的事。",
        "{topic}？你一直想错了，原因在这里。",
        "先别划走：{topic}。",
    ],
    address: &["你", "您", "你们", "大家"],
};

const JAPANESE: Phrases = Phrases {
    pace: 2.2,
    open: ["今日のテーマ：{topic}。", "はじめから見ていきましょう。"],
    body: [
        "まず、それは何でしょうか。やさしい言葉で説明します。",
        "なぜ大切なのでしょうか。毎日だれが出会うか考えてみましょう。",
        "どのように働くのでしょうか。一つずつ見ていきます。",
        "だれもが見たことのある例を、もう一度見てみましょう。",
        "多くの人が間違えるのはどこでしょうか。",
        "では、あなたは何を試してみますか。",
    ],
    close: ["今日のテーマは、{topic}、でした。", "ご覧いただきありがとうございました。"],
    hooks: [
        "{topic}：だれも教えてくれないこと。",
        "{topic}を一分で説明します。",
        "{topic}：あなたを驚かせる三つのこと。",
        "{topic}？実は誤解されています。その理由はこちら。",
        "スクロールする前に：{topic}。",
    ],
    address: &["あなた", "皆さん", "みなさん", "君"],
};
