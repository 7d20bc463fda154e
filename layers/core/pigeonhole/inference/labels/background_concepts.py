"""The background concepts, as data: generic things in photos and generic texts, which stand for everything but the labels.

A single label, or a negated one, has no other label to be compared with. The background concepts take that place, as the
negative labels of NegLabel do (Jiang et al. 2024, arXiv 2403.20078, who take their labels from WordNet).
"""

from __future__ import annotations


def _split(*rows: str) -> tuple[str, ...]:
    return tuple(entry.strip() for row in rows for entry in row.split(","))


PHOTO_CONCEPTS: tuple[str, ...] = _split(
    # People and the body
    "portrait of a person, baby, young child, teenager, elderly person, crowd of people, family, group of friends",
    "close-up of a face, eye, hand, hair, beard, tattoo, dancer",
    # People at work and at leisure
    "cook at work, police officer, soldier, firefighter, construction worker, office worker, street vendor",
    "person running, person sleeping, person reading, people eating together",
    # Clothes and what people wear
    "dress, shirt, trousers, winter coat, suit and tie, shoes, hat, scarf, gloves, sunglasses, wrist watch, necklace",
    "handbag, backpack, uniform, underwear, face mask, helmet, umbrella, make-up",
    # Mammals in the wild and on farms
    "elephant, lion, bear, monkey, deer, wolf, squirrel, mouse, giraffe, kangaroo, whale, bat, horse, cow, sheep, pig",
    "goat",
    # Pets
    "dog, cat, rabbit, hamster, aquarium",
    # Birds
    "songbird, eagle, owl, pigeon, parrot, duck, swan, chicken, penguin, flock of birds",
    # Reptiles, amphibians, fish and other sea life
    "snake, lizard, turtle, crocodile, frog, tropical fish, shark, jellyfish, crab, octopus, coral reef",
    # Insects and other small animals
    "butterfly, bee, ant, spider, housefly, beetle, dragonfly, snail",
    # Flowers and plants
    "rose, tulip, sunflower, wildflowers, bouquet, potted plant, cactus, grass, mushroom",
    # Trees and their parts
    "oak tree, pine tree, palm tree, blossoming tree, autumn leaves, tree trunk, bamboo, bare tree in winter",
    # Fruit and nuts
    "apple, banana, orange, strawberry, grapes, pineapple, watermelon, berries, nuts",
    # Vegetables and herbs
    "tomato, carrot, potato, bell pepper, broccoli, pumpkin, sweetcorn, beans, herbs",
    # Dishes
    "sandwich, hamburger, pizza, pasta, soup, salad, sushi, curry, noodles, steak, roast chicken, sausage, dumplings",
    "breakfast plate",
    # Bread, dairy and sweets
    "bread, cheese, boiled eggs, pancakes, birthday cake, pie, cookies, ice cream, chocolate, candy",
    # Drinks
    "cup of coffee, cup of tea, glass of water, orange juice, beer, red wine, bottle",
    # Kitchenware
    "plate, bowl, knife, spoon, frying pan, cooking pot, kettle, chopping board",
    # Furniture
    "chair, sofa, dining table, bed, desk, bookshelf, lamp, mirror, carpet, curtains",
    # Rooms
    "kitchen, living room, bedroom, bathroom, office interior, classroom, corridor, staircase, restaurant interior, gym",
    "library",
    # The household and its devices
    "refrigerator, washing machine, microwave oven, vacuum cleaner, fan, toilet, sink, candle, clock, vase, broom",
    "toothbrush, door, window, light bulb",
    # Electronics
    "laptop, mobile phone, television, camera, headphones, computer keyboard, printer, loudspeaker, circuit board",
    "tablet computer, cables, battery, robot, drone",
    # Tools
    "hammer, screwdriver, power drill, saw, wrench, ladder, scissors, paintbrush, rope, toolbox, lock",
    # Office and school items
    "pen, pencil, notebook, stack of books, paper clip, calculator, whiteboard",
    # Toys and games
    "teddy bear, doll, building blocks, jigsaw puzzle, board game, playing cards, balloon, kite",
    # Sports
    "football match, basketball game, tennis player, swimming race, cyclist, skier, surfer, golf course, rock climbing",
    "yoga, skateboarding, ice hockey, fishing trip, hiking, sports ball, trophy",
    # Instruments
    "guitar, piano, violin, drums, trumpet, flute, saxophone, microphone",
    # Vehicles on land
    "car, truck, bus, motorcycle, bicycle, passenger train, ambulance, fire engine, tractor, racing car, wheelchair",
    "car interior, wheel, engine",
    # Vehicles on water and in the air
    "sailing boat, cargo ship, canoe, ferry, airliner, helicopter, hot air balloon, fighter jet, rocket launch",
    # Roads and traffic
    "traffic light, road sign, motorway, traffic jam, pedestrian crossing, railway track, car park, tunnel",
    "street at night, car accident",
    # Buildings
    "detached house, apartment block, skyscraper, church, mosque, temple, castle, barn, factory building, shop front",
    "hospital, school building, stadium, airport terminal, railway station, museum, lighthouse, ruins, construction site",
    "swimming pool, brick wall, fence, stained glass window",
    # Landmarks and towns
    "bridge, tower, monument, statue, fountain, city skyline, market square, harbour, cemetery, park, shopping centre",
    "playground, theme park, street market",
    # Landscapes
    "mountain lake, snowy mountain, forest path, sandy beach, desert dunes, waterfall, river, meadow, cliff, cave",
    "island, glacier, volcano, jungle, farmland from above, vineyard, garden, pond",
    # Weather
    "rain, fog, lightning, rainbow, snowfall, dark clouds, sunrise, tornado, icicles",
    # Sky and space
    "blue sky, night sky, full moon, galaxy, planet, northern lights, astronaut, earth from space",
    # Materials and surfaces
    "wooden planks, marble, rusty metal, concrete, fabric, leather, sand, glass, crumpled paper, fur, stone, ice, smoke",
    "fire, water drops, soil",
    # Patterns and abstract pictures
    "striped pattern, polka dots, floral pattern, geometric shapes, colour gradient, blurred lights, paint splashes",
    "plain white background, shadow, reflection, fingerprint",
    # Documents
    "text document, handwritten letter, invoice, receipt, passport, bank card, newspaper page, book cover, menu, map",
    "banknotes, coins, barcode, calendar, product label",
    # Screens and diagrams
    "screenshot of software, web page, chat conversation, video game scene, line chart, bar chart, flow chart",
    "mathematical formula, source code, table of numbers, floor plan, technical drawing",
    # Art and graphics
    "oil painting, pencil sketch, cartoon, company logo, app icon, graffiti, film poster, advertisement, meme",
    "3d rendering, black and white photograph, emoji",
    # Medical and laboratory
    "x-ray, brain scan, pills, syringe, stethoscope, surgery, bandage, skin rash, microscope image, teeth, skeleton",
    "laboratory, test tubes",
    # Industry, energy and trade
    "assembly line, warehouse, power station, wind turbines, solar panels, oil rig, pipes, crane, excavator, welding",
    "shipping containers, cardboard box, supermarket shelf, shopping trolley, rubbish bin",
    # Agriculture
    "wheat field, harvest, cattle herd, beehive, orchard, irrigation, ploughed field",
    # Events
    "wedding, birthday party, concert, parade, fireworks, graduation ceremony, protest march, funeral, carnival",
    "business meeting, lecture, campfire, christmas tree, gift box, religious service",
    # Trouble and war
    "explosion, burning building, earthquake damage, tank, pistol, flag",
)
"""Common things that photos show, of every kind of photo. Each is named as a label would be, in at most four words."""

TEXTS: tuple[str, ...] = (
    # News: politics and law-making
    "Parliament votes narrowly to raise the pension age after a debate that lasted all night.",
    "The prime minister is expected to name a new cabinet on Monday.",
    "Opposition leaders call for early elections as coalition talks collapse.",
    "Voters in three provinces go to the polls to choose their governors.",
    "The mayor promised more buses and cheaper fares if she is elected again.",
    "Foreign ministers met on the island to discuss fishing rights and the disputed border.",
    "Senators from both parties back a bill that would limit campaign donations.",
    # News: war, disaster and crime
    "Shelling was reported near the river on Tuesday despite the ceasefire signed last week.",
    "Thousands of families have fled the fighting and crossed into the neighbouring country.",
    "A strong earthquake shook the northern coast early this morning, damaging hundreds of homes.",
    "Police arrested two men after a jewellery shop was robbed in broad daylight.",
    "A court sentenced the former banker to six years in prison for fraud.",
    "Rescue teams are searching for hikers who went missing in the storm.",
    "Firefighters brought the blaze at the paint factory under control after nine hours.",
    # News: business and the economy
    "Shares in the carmaker fell eight per cent after it warned of weaker demand.",
    "The central bank kept interest rates unchanged but hinted at a cut in spring.",
    "Two regional airlines announced a merger worth four billion dollars.",
    "Unemployment dropped to its lowest level in a decade, official figures show.",
    "The retailer will close forty stores and move most of its sales online.",
    "Oil prices climbed for a third day as producers agreed to pump less.",
    "A start-up that makes packaging from seaweed has raised twenty million in funding.",
    # News: sport
    "The home side scored twice in the final five minutes to reach the cup final.",
    "She won the marathon in her first attempt at the distance.",
    "The champion withdrew from the tournament with a wrist injury.",
    "After a dull first half, the goalkeeper saved two penalties and kept the match level.",
    "The club has signed a nineteen-year-old striker on a four-year contract.",
    "Rain stopped play before lunch with the visitors on 84 for three.",
    "A late crash changed the order of the leading riders on the last mountain stage.",
    # News: science, technology and health
    "Astronomers have found a planet that circles its star in less than a day.",
    "A new battery charges in five minutes and lasts for twenty years, researchers say.",
    "The phone maker unveiled a thinner model with a better camera and the same price.",
    "Doctors urge older people to get vaccinated before the flu season starts.",
    "Fossils found in a quarry belong to a small dinosaur with feathers.",
    "A study of ten thousand adults links short naps to better memory.",
    "Regulators want to know how the company uses the data of its youngest users.",
    "Engineers have built a bridge that heals its own cracks.",
    # News: culture, education, environment and people
    "The museum reopens on Saturday after a renovation that took six years.",
    "A first-time author has won the country's richest prize for fiction.",
    "The singer cancelled the rest of her tour because of a throat infection.",
    "Schools in the capital will teach coding to every pupil from the age of nine.",
    "Beavers have returned to the valley for the first time in four centuries.",
    "Plastic waste in the bay has halved since the ban on single-use bags.",
    "The actor who played the grumpy detective for twenty seasons has died aged eighty.",
    # News: weather
    "Heavy snow is forecast for the hills tonight, with up to thirty centimetres by morning.",
    "The heatwave will last until Friday, and temperatures may pass forty degrees in the south.",
    "Expect sunny spells and a few showers, with a light breeze from the west.",
    # Reviews: films, series, books and music
    "A moving film with two wonderful leads and a script that never wastes a word.",
    "Two hours of explosions and not one interesting character; I nearly walked out.",
    "The first season was brilliant, but the second drags and the ending makes no sense.",
    "I laughed so hard that the people in front turned around.",
    "The plot is thin, yet the photography is gorgeous and the soundtrack stays with you.",
    "I couldn't put this novel down and finished it in one night.",
    "The author repeats himself so often that half the pages could go.",
    "Their new album sounds exactly like the last one, which is fine by me.",
    "Children will love the talking penguin; parents may check their watches.",
    "The worst sequel that I have seen in years.",
    "A solid biography, well researched, if a little dry in places.",
    # Reviews: products
    "The vacuum is powerful and quiet, and it picks up all the dog hair.",
    "Stopped working after two weeks, and the seller never answered.",
    "Good value for the price, although the instructions are hard to follow.",
    "The jacket runs small, so order one size up.",
    "These headphones sound great, but they hurt my ears after an hour.",
    "Exactly as described and arrived a day early. Five stars.",
    "The zip broke the first time that I used it.",
    "My old blender was louder but did a much better job.",
    "Bright screen, fast processor, poor battery. I can live with it.",
    "The paint covers well in a single coat and hardly smells.",
    "Cheap plastic, wobbly legs, missing screws. Avoid.",
    "My daughter has worn these boots every day since her birthday.",
    # Reviews: restaurants, hotels and services
    "The soup was cold, the waiter was rude, and we waited an hour for the bill.",
    "Best dumplings in town, and the owner treats you like family.",
    "Lovely view from the room, but the walls are paper thin.",
    "The breakfast was fine, nothing special, and the coffee tasted burnt.",
    "Our guide knew every stone of the old city and made us laugh all day.",
    "The mechanic charged me twice what he had quoted on the phone.",
    "Spotless rooms, friendly staff and a pool that the kids didn't want to leave.",
    "I have been going to this barber for years and have never been let down.",
    "Nice terrace, average food, far too expensive for what you get.",
    "The dentist was gentle and explained every step.",
    # Customer service: banking and payments
    "My card was declined at the supermarket even though there is money in the account.",
    "How long does an international transfer take to arrive?",
    "I was charged twice for the same purchase yesterday.",
    "Can I raise my overdraft limit in the app?",
    "I forgot my PIN and the machine has kept my card.",
    "There is a withdrawal on my statement that I did not make.",
    "What exchange rate do you use for payments abroad?",
    "I'd like to open a savings account for my son.",
    "How do I turn on contactless payments?",
    "Why is my loan application still pending?",
    # Customer service: shopping and deliveries
    "My parcel was marked as delivered but I never got it.",
    "I want to return these shoes because they are the wrong size.",
    "Do you have this lamp in black?",
    "The vase arrived in pieces, please send me a new one.",
    "Can I still change the delivery address of my order?",
    "When will the large size be back in stock?",
    "The discount code from your newsletter isn't accepted.",
    "I ordered two chairs and received only one.",
    "Where can I see the status of my refund?",
    "Is gift wrapping included in the price?",
    # Customer service: travel
    "My flight was cancelled, how do I get my money back?",
    "I need to move my booking to the week after Easter.",
    "Is there a shuttle from the airport to the hotel?",
    "My suitcase did not arrive with the plane from Lisbon.",
    "How much does it cost to bring a bicycle on the train?",
    "Can I check in online if I travel with an infant?",
    "We would like a room with two single beds on a low floor.",
    "Do I need a visa for a layover of nine hours?",
    # Customer service: telephone, internet and utilities
    "The internet has been down since this morning and the router blinks red.",
    "I'd like to keep my number when I change to your network.",
    "My bill is much higher than last month, can you explain why?",
    "How can I switch off roaming before I go abroad?",
    "A technician was supposed to come between eight and noon, but nobody showed up.",
    "The water pressure in our street has been very low for days.",
    "Please read my electricity meter again, the number must be wrong.",
    "I want to cancel my contract at the end of the month.",
    # Customer service: accounts, apps and subscriptions
    "I can't log in because the code never reaches my phone.",
    "How do I change the e-mail address of my account?",
    "The app crashes every time that I open the camera.",
    "Please delete my account and all my data.",
    "I was billed for a subscription that I had cancelled in March.",
    "Where do I find the invoices for last year?",
    "Can two people use one licence on different computers?",
    "Your last update made the text so small that I can hardly read it.",
    "Thanks to Maria from support, who solved my problem in five minutes.",
    "I have written three times now and still wait for an answer.",
    # Customer service: insurance, health and public offices
    "Does my policy cover damage from a burst pipe?",
    "I need an appointment with an eye doctor as soon as possible.",
    "Which documents do I need to renew my passport?",
    "Somebody scratched my rental car while it was parked, whom do I inform?",
    "When is the deadline for the tax return?",
    "I would like to report a broken street light on Mill Road.",
    # Voice assistants: alarms, timers, reminders and calendar
    "Wake me up at half past six tomorrow.",
    "Set a timer for twelve minutes.",
    "Remind me to water the plants on Sunday evening.",
    "What's on my calendar for Thursday afternoon?",
    "Move the meeting with Carlos to three o'clock.",
    "Cancel all my alarms for the weekend.",
    "Add a dentist appointment on the ninth of May.",
    "How many days are left until Christmas?",
    "What time is it in Tokyo?",
    # Voice assistants: music, radio and media
    "Play some quiet piano music.",
    "Skip this song and turn the volume down a little.",
    "Who sings this?",
    "Put on the news from the local radio station.",
    "Continue my audiobook from where I stopped.",
    "Make a playlist for a long drive.",
    "Show me comedies from the nineties.",
    # Voice assistants: the home
    "Turn off the lights in the hallway.",
    "Make the bedroom two degrees warmer.",
    "Is the front door locked?",
    "Start the robot vacuum when I leave.",
    "Dim the lamps and close the blinds.",
    "What is in front of the garage camera?",
    # Voice assistants: weather, traffic and directions
    "Will it rain this afternoon?",
    "Do I need a coat tonight?",
    "How do I get to the nearest pharmacy on foot?",
    "Is there much traffic on the way to work?",
    "Find a parking space near the theatre.",
    "When does the last train to the coast leave?",
    # Voice assistants: knowledge, translation, sums and shopping
    "How do you say thank you in Portuguese?",
    "What is fifteen per cent of two hundred and forty?",
    "How tall is the highest mountain in Africa?",
    "Who invented the zip fastener?",
    "Convert three miles to kilometres.",
    "Spell the word rhythm for me.",
    "Add oat milk and tomatoes to the shopping list.",
    "Order the same pizza as last Friday.",
    "Tell me a joke about cows.",
    "Call my sister on her mobile.",
    "Text Ben that I'm running ten minutes late.",
    "Read me my new messages.",
    "What can I cook with leeks and potatoes?",
    "Book a table for four at the Greek place tonight.",
    "What is the share price of the biggest chip maker?",
    # Chat and small talk
    "Hey, how was your weekend?",
    "Haha, that's exactly what my brother would say.",
    "I'm so tired today, I could sleep until Monday.",
    "Good morning! Did you sleep well?",
    "See you at eight, and bring something to drink.",
    "Sorry, I was in the shower, what's up?",
    "Congratulations on the new job, you deserve it!",
    "I miss you so much already.",
    "No idea, ask Tom, he was there.",
    "Let's have lunch next week and catch up.",
    "Are you a robot or a real person?",
    "Thank you, that's all I needed.",
    "Ugh, I hate Mondays.",
    "Guess who just got engaged!",
    "My cat knocked the tree over again.",
    "I'm really worried about my exam tomorrow.",
    # Posts on social networks
    "Three years sober today, and grateful for every one of them.",
    "Why do people still park on the cycle path?",
    "Sunset from our balcony, no filter needed.",
    "Unpopular opinion: pineapple belongs on pizza.",
    "You are an idiot and nobody wants to hear your opinion.",
    "Just finished my first half marathon and my legs no longer exist.",
    "If this government cared about nurses, it would pay them.",
    "Giving away a sofa, slightly worn, collect it in the north of town.",
    "So proud of our volunteers, who planted two hundred trees this morning.",
    "Can't believe they cancelled the show after one season!",
    # Emails and letters at work
    "Dear all, please find attached the minutes of yesterday's meeting.",
    "Could you send me the revised figures by noon?",
    "I am writing to apply for the position of assistant accountant.",
    "Unfortunately we cannot offer you the post at this time.",
    "I will be out of the office until the third of August.",
    "Reminder: the fire drill takes place on Wednesday at ten.",
    "We kindly ask you to settle the enclosed invoice within fourteen days.",
    "Attached is our quotation for the repair of the roof.",
    "Thank you for the pleasant talk, I look forward to working with you.",
    "Please approve my holiday request for the first week of June.",
    "The server will be down for maintenance on Saturday from two to four.",
    "I resign from my post with effect from the end of this quarter.",
    # Spam, phishing and advertising
    "Congratulations, you have been chosen to receive a free phone! Click the link to claim it.",
    "Your mailbox is full. Confirm your password within 24 hours or lose all messages.",
    "Lose ten kilos in two weeks with this one simple trick.",
    "Dear friend, I am a lawyer and wish to transfer a large sum to your account.",
    "Your parcel is held at customs, pay the small fee here.",
    "Earn 500 a day from home, no experience required.",
    "Hot singles in your area are waiting to meet you.",
    "Up to half off all garden furniture, this weekend only.",
    "Our new summer collection is here: light fabrics, bold colours, free shipping.",
    "Unusual sign-in detected, verify your identity now to avoid suspension.",
    # Forum posts and questions
    "My tomato plants have yellow leaves at the bottom, what am I doing wrong?",
    "Does anyone know a good hiking route for beginners near the lake?",
    "I get a segmentation fault when I free the list twice, how can I debug it?",
    "Which camera would you buy for under four hundred?",
    "My landlord won't return the deposit, is there anything I can do?",
    "How do I get candle wax out of a tablecloth?",
    "The engine makes a clicking noise when it is cold, could it be the valves?",
    "Is it rude to leave a wedding before the cake is cut?",
    "What is the difference between a crocodile and an alligator?",
    "Our toddler refuses to sleep in his own bed, any advice?",
    "Upgrading the driver fixed the flickering for me, thanks.",
    "Can somebody explain the offside rule in simple words?",
    "How does one prove that there are infinitely many primes?",
    # Recipes and instructions
    "Whisk the eggs with the sugar until pale, then fold in the flour.",
    "Simmer the lentils for twenty minutes and season with salt and lemon juice.",
    "Leave the dough to rise in a warm place until it has doubled.",
    "Roast the vegetables at two hundred degrees until golden.",
    "Unplug the device before you clean it with a dry cloth.",
    "Insert the long screws into side panel B and tighten them by hand.",
    "Take one tablet twice a day after meals.",
    "Hold the power button for ten seconds to reset the device.",
    "Knit two rows in blue and change to white.",
    # Legal and administrative texts
    "The tenant shall return the premises in the condition in which they were received.",
    "Either party may terminate this agreement with thirty days' written notice.",
    "The court finds that the defendant acted in good faith.",
    "We store your personal data only as long as the law requires.",
    "The seller is not liable for damage caused by improper use.",
    "Applications received after the closing date will not be considered.",
    # Medical texts
    "The patient reports a dry cough and mild fever for four days.",
    "Blood pressure was normal and the wound is healing well.",
    "Side effects may include nausea, headache and drowsiness.",
    "The scan shows a small fracture of the left wrist.",
    "I have had a sharp pain in my lower back since Tuesday.",
    "Regular exercise lowers the risk of heart disease.",
    # Technical and scientific texts
    "The function returns an empty list when the file cannot be opened.",
    "Connection refused: the host did not answer on port 8080.",
    "The pump must deliver at least forty litres per minute at full load.",
    "Water expands when it freezes, which is why ice floats.",
    "We propose a method that halves the memory needed for training.",
    "The samples were heated to ninety degrees and weighed every hour.",
    "Light from the star is bent as it passes the galaxy.",
    "The enzyme breaks down starch into simple sugars.",
    "Merge the branch only after all checks have passed.",
    # Encyclopaedic, historical and educational texts
    "The river rises in the eastern highlands and flows into a shallow gulf.",
    "The town was founded by salt traders in the twelfth century.",
    "The composer wrote nine operas, of which only two are still performed.",
    "The species lives in small groups and feeds mainly on fruit and insects.",
    "The treaty ended thirty years of war between the two kingdoms.",
    "A triangle whose sides are all equal has three equal angles.",
    "The company was set up by two brothers and makes agricultural machinery.",
    "The village has a railway station, a primary school and about nine hundred inhabitants.",
    "The painter spent her last years in a cottage by the sea.",
    "Adjectives in this language follow the noun that they describe.",
    # Stories, poems and quotations
    "The old man closed the door, lit the lamp and waited for the knock.",
    '"You should not have come," she whispered, and the rain began to fall.',
    "Once there was a miller's daughter who could talk to geese.",
    "The moon has lost her silver shoe, and all the hills are wet with dew.",
    "My heart is a boat with a hole in its side, and your name is the tide.",
    "Autumn wind, a leaf settles on the sleeping dog.",
    "A kind word costs little and is long remembered.",
    "He who counts every step never sees the mountain.",
    "The ship's lights grew small, and at last there was only the sea.",
    "Detective Moran looked at the broken glass and then at the cat.",
    "Courage is to be afraid and to go on.",
    # Feelings and personal notes
    "I feel so lonely since we moved here.",
    "I am thrilled, they said yes!",
    "It makes me furious that he never listens.",
    "That was kind of you, and it made my day.",
    "Today I tidied the cellar and found my grandfather's letters.",
    "I can't stop thinking about what she said.",
    "Nothing interests me any more and I hardly leave the house.",
    # Jobs, property and events
    "We are looking for an experienced nurse for the night shift in a small clinic.",
    "Bright two-room flat with balcony, close to the underground, available from July.",
    "Join us for an evening of jazz and food from five continents.",
    "For sale: family car, first owner, new tyres, service book complete.",
    "The workshop is free, but places are limited, so sign up early.",
    "Volunteers are wanted to teach reading at the local library.",
    # Religion, philosophy and opinions
    "Should machines have rights if they can suffer?",
    "Fasting begins at sunrise and ends when the sun has set.",
    "Taxes on inheritance are fair, because nobody earns their parents.",
    "We tend to forget that freedom needs rules.",
    "Zoos protect rare animals, but they also take away their liberty.",
    # Conversation with officials, school and family
    "The pupils have to hand in their essays on the French Revolution by Friday.",
    "Mum, can you pick me up from training at six?",
    "Grandma's operation went well and she is already complaining about the food.",
    "The parents' evening has been moved to the school hall.",
    "Your son did well in mathematics but should read more.",
)
"""Short texts of the kinds that services sort, balanced over the kinds. Each has 3 to 25 words, written for this list."""
