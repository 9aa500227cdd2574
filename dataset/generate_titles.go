package dataset

import "fmt"

// genre is a kind of film with the words of its titles.
type genre struct {
	name         string
	adjectives   []string
	nouns        []string
	circumstance []string
}

var genres = []genre{
	{"Horror", []string{"Haunted", "Crawling", "Unburied", "Bloodstained", "Howling", "Cursed"}, []string{"Manor", "Grave", "Scream", "Coven", "Crypt", "Nightmare"}, []string{"at Midnight", "from the Cellar", "Beyond the Grave"}},
	{"Comedy", []string{"Clumsy", "Accidental", "Half-Baked", "Ridiculous", "Unlikely", "Reluctant"}, []string{"Butler", "Honeymoon", "In-Laws", "Roommates", "Wedding", "Vacation"}, []string{"in Trouble", "on a Budget", "Strikes Back"}},
	{"Western", []string{"Dusty", "Lonesome", "Six-Gun", "Outlaw", "Prairie", "Hanging"}, []string{"Sheriff", "Saddle", "Canyon", "Stagecoach", "Rider", "Homestead"}, []string{"of Abilene", "at High Sun", "West of the Pecos"}},
	{"Sci-Fi", []string{"Orbital", "Quantum", "Cybernetic", "Lightless", "Synthetic", "Galactic"}, []string{"Colony", "Starship", "Android", "Signal", "Horizon", "Clone"}, []string{"from Europa", "2099", "at the Edge of Space"}},
	{"Romance", []string{"Tender", "Secret", "Parisian", "Faithful", "Moonlit", "Second"}, []string{"Kiss", "Letters", "Promise", "Heart", "Summer", "Bride"}, []string{"in Venice", "for Two", "Before Autumn"}},
	{"War", []string{"Fallen", "Iron", "Forgotten", "Last", "Burning", "Silent"}, []string{"Regiment", "Bridge", "Trench", "Convoy", "Bomber", "Armistice"}, []string{"at Dunkirk", "Behind the Lines", "of the Somme"}},
	{"Children's", []string{"Little", "Magic", "Jolly", "Brave", "Talking", "Flying"}, []string{"Puppy", "Teddy Bear", "Penguin", "Dragon", "Pony", "Rabbit"}, []string{"Goes to School", "and Friends", "Saves Christmas"}},
	{"Crime", []string{"Crooked", "Midnight", "Double", "Wanted", "Hardboiled", "Stolen"}, []string{"Heist", "Detective", "Alibi", "Informer", "Diamonds", "Verdict"}, []string{"in Chicago", "for Hire", "Without a Trace"}},
}

// title makes a new title of the words of two genres, "Haunted Starship, The (1987)" in the way of MovieLens among them. used counts the titles given
// out before: no two films share title and year.
func (g *generator) title(a, b int, used map[string]int) string {
	pick := func(words []string) string { return words[g.rng.IntN(len(words))] }
	name := pick(genres[a].adjectives) + " " + pick(genres[b].nouns)
	if g.rng.IntN(2) == 0 {
		name += " " + pick(genres[a].circumstance)
	}
	article := ""
	if g.rng.IntN(3) == 0 {
		article = ", The"
	}
	year := 1930 + int(70*(1-g.rng.Float64()*g.rng.Float64()))
	title := fmt.Sprintf("%s%s (%d)", name, article, year)
	used[title]++
	if n := used[title]; n > 1 {
		title = fmt.Sprintf("%s: Part %d%s (%d)", name, n, article, year)
	}
	return title
}
