-- Author: registration. A doubt about a place is named by what it means: that maps are not shifted there, whatever country that is
-- (pile::PlaceDoubt).
UPDATE station SET place_doubts = array_replace(place_doubts, 'outside_china', 'not_shifted') WHERE 'outside_china' = ANY (place_doubts);
UPDATE pile SET place_doubts = array_replace(place_doubts, 'outside_china', 'not_shifted') WHERE 'outside_china' = ANY (place_doubts);
